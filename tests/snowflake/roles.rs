//! Roles of AWS: by a web identity, by profiles that lead to each other, and what is wrong with them.

use std::fs;
use std::path::Path;

use mcp_protocol::settings::CloudPlatform;
use mcp_worker::warehouse::pool::PoolError;
use serde_json::Value;
use tempfile::TempDir;

use crate::logins::{Cloud, House, of_cloud, shown_to_snowflake};

/// A machine with AWS's files, and its endpoints in one place.
struct Machine {
    cloud: Cloud,
    endpoint: String,
    home: TempDir,
}

impl Machine {
    async fn new() -> Machine {
        let (cloud, address) = Cloud::open().await;
        let home = tempfile::tempdir().expect("a directory can be made");
        fs::create_dir(home.path().join(".aws")).expect("it is ours");
        Machine { cloud, endpoint: format!("http://{address}"), home }
    }

    fn file(&self, name: &str, text: &str) {
        fs::write(self.home.path().join(name), text).expect("the file is written");
    }

    fn path(&self, name: &str) -> String {
        self.home.path().join(name).display().to_string()
    }

    /// A worker here, with more variables.
    fn house(&self, more: &[(&'static str, &str)]) -> House {
        let home = self.path("");
        let mut variables = vec![
            ("HOME", home.as_str()),
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", self.endpoint.as_str()),
            ("AWS_ENDPOINT_URL_STS", self.endpoint.as_str()),
        ];
        variables.extend(more);
        of_cloud(CloudPlatform::Aws, &variables)
    }

    /// What such a worker shows to Snowflake.
    async fn shown(&self, more: &[(&'static str, &str)]) -> Value {
        let house = self.house(more);
        house.ask("SELECT 1").await.unwrap_or_else(|why| panic!("{more:?}: {why}"));
        shown_to_snowflake(&house.logins()[0])
    }

    /// Who signed it, and where the request goes.
    async fn signer(&self, more: &[(&'static str, &str)]) -> (String, String) {
        let request = self.shown(more).await;
        let signature = request["headers"]["authorization"].as_str().expect("a signature");
        let signer = signature.split("Credential=").nth(1).and_then(|rest| rest.split('/').next());
        let host = request["headers"]["host"].as_str().expect("a host");
        assert!(!request.to_string().contains("canary-of-role"));
        (signer.expect("a signer").to_owned(), host.to_owned())
    }

    /// Why such a worker shows nothing.
    async fn refused(&self, more: &[(&'static str, &str)]) -> String {
        let house = self.house(more);
        let error = house.ask("SELECT 1").await.expect_err("there are no keys");
        assert!(matches!(error, PoolError::Open { .. }), "{error:?}");
        assert!(house.logins().is_empty(), "nothing is sent to Snowflake");
        let words = error.to_string();
        assert!(!words.contains("canary"), "{words}");
        words
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_of_eks_shows_the_role_that_its_token_stands_for() {
    let machine = Machine::new().await;
    machine.file("token", "canary.web.token\n");
    let token = machine.path("token");
    let web = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.as_str()),
        ("AWS_ROLE_ARN", "arn:aws:iam::1:role/Pod"),
        ("AWS_REGION", "eu-central-1"),
    ];
    let (signer, host) = machine.signer(&web).await;
    assert_eq!((signer.as_str(), host.as_str()), ("WEB+Pod", "sts.eu-central-1.amazonaws.com"));
    let (line, headers) = machine.cloud.asked("POST /");
    assert!(line.contains("Action=AssumeRoleWithWebIdentity"), "{line}");
    assert!(line.contains("RoleSessionName=mcp-supervisor"), "{line}");
    assert!(!headers.contains_key("authorization"), "nothing but the token shows who asks");
    // Keys in variables come first.
    let own = [("AWS_ACCESS_KEY_ID", "AKIDOWN"), ("AWS_SECRET_ACCESS_KEY", "canary-own")];
    assert_eq!(machine.signer(&[web.as_slice(), &own].concat()).await.0, "AKIDOWN");
    let absent = [("AWS_WEB_IDENTITY_TOKEN_FILE", "/is/not/there"), web[1], web[2]];
    let words = machine.refused(&absent).await;
    assert!(words.contains("cannot read /is/not/there"), "{words}");
    machine.file("token", "canary.of.somebody");
    let words = machine.refused(&web).await;
    assert!(words.contains("AccessDenied: not for you") && words.contains("trust"), "{words}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn profiles_lead_from_keys_over_roles_to_the_last_role() {
    let machine = Machine::new().await;
    machine.file(
        ".aws/credentials",
        "[base]\naws_access_key_id = AKIDBASE\naws_secret_access_key = canary-base\n",
    );
    machine.file(
        ".aws/config",
        "[profile outer]\nrole_arn = arn:aws:iam::1:role/Outer\nsource_profile = inner\n\
         external_id = the/id\nrole_session_name = tests\nregion = cn-north-1\n\
         [profile inner]\nrole_arn = arn:aws:iam::1:role/Inner\nsource_profile = base\n\
         [profile machine]\nrole_arn = arn:aws:iam::1:role/Two\n\
         credential_source = Ec2InstanceMetadata\n\
         [profile closed]\nrole_arn = arn:aws:iam::1:role/Forbidden\nsource_profile = base\n",
    );
    let (signer, host) = machine.signer(&[("AWS_PROFILE", "outer")]).await;
    assert_eq!(signer, "AKIDBASE+Inner+Outer");
    assert_eq!(host, "sts.cn-north-1.amazonaws.com.cn", "the profile's region");
    let (line, headers) = machine
        .cloud
        .asked("GET /?Action=AssumeRole&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2FOuter");
    assert!(
        line.contains("RoleSessionName=tests") && line.contains("ExternalId=the%2Fid"),
        "{line}"
    );
    assert_eq!(headers["x-amz-security-token"], "canary-session-of-Inner");
    let signature = headers["authorization"].to_str().expect("text");
    let signed =
        "/cn-north-1/sts/aws4_request, SignedHeaders=host;x-amz-date;x-amz-security-token,";
    assert!(signature.contains(signed), "{signature}");
    // The machine's own role, and its region.
    let (signer, host) = machine.signer(&[("AWS_PROFILE", "machine")]).await;
    assert_eq!((signer.as_str(), host.as_str()), ("AKIDROLE+Two", "sts.eu-west-1.amazonaws.com"));
    let words = machine.refused(&[("AWS_PROFILE", "closed")]).await;
    assert!(words.contains("role/Forbidden: AccessDenied: not for you"), "{words}");
    let words = machine.refused(&[("AWS_PROFILE", "gone")]).await;
    assert!(words.contains("the profile gone of AWS is in neither"), "{words}");
    // Where nobody names one and there is no default, the machine speaks for itself.
    assert_eq!(machine.signer(&[]).await.0, "AKIDROLE");
    assert!(Path::new(&machine.path(".aws/config")).is_file());
    let elsewhere = machine.path("elsewhere");
    machine.file(
        "elsewhere",
        "[default]\naws_access_key_id = AKIDFILE\naws_secret_access_key = canary\n",
    );
    assert_eq!(machine.signer(&[("AWS_SHARED_CREDENTIALS_FILE", &elsewhere)]).await.0, "AKIDFILE");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_sent_to_nothing_that_is_not_encrypted() {
    let machine = Machine::new().await;
    machine.file(
        ".aws/config",
        "[default]\nrole_arn = arn:aws:iam::1:role/R\ncredential_source = Ec2InstanceMetadata\n",
    );
    let words = machine.refused(&[("AWS_ENDPOINT_URL_STS", "http://sts.example.com")]).await;
    assert!(words.contains("AWS_ENDPOINT_URL_STS would send keys unencrypted"), "{words}");
}
