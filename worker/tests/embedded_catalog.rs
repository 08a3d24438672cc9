//! What the embedded account says about itself: SHOW, DESCRIBE, GET_DDL, INFORMATION_SCHEMA,
//! names of columns, types; and its words for what is wrong or missing.
#![cfg(feature = "embedded")]

mod embedded_account;

use embedded_account::Asking;

/// A statement, and what its rows are.
const ROWS: &[(&str, &str)] = &[
    (
        "SHOW TERSE DATABASES",
        "'2025-01-01 00:00:00.000 +0000' | 'SNOWFLAKE_SAMPLE_DATA' | 'STANDARD' | NULL | NULL",
    ),
    ("SHOW DATABASES LIKE 'other%'", ""),
    (
        "SHOW TERSE SCHEMAS IN DATABASE snowflake_sample_data LIMIT 1",
        "'2025-01-01 00:00:00.000 +0000' | 'INFORMATION_SCHEMA' | NULL | 'SNOWFLAKE_SAMPLE_DATA' | NULL",
    ),
    (
        "SHOW TERSE TABLES LIKE 'nat%'",
        "'2025-01-01 00:00:00.000 +0000' | 'NATION' | 'TABLE' | 'SNOWFLAKE_SAMPLE_DATA' | 'TPCH_SF1'",
    ),
    (
        "SHOW TERSE TABLES LIKE 'nat%' IN ACCOUNT",
        "'2025-01-01 00:00:00.000 +0000' | 'NATION' | 'TABLE' | 'SNOWFLAKE_SAMPLE_DATA' | 'TPCH_SF1'",
    ),
    (
        "SHOW TERSE TABLES IN SCHEMA tpch_sf1 STARTS WITH 'PART' LIMIT 1 FROM 'PART'",
        "'2025-01-01 00:00:00.000 +0000' | 'PARTSUPP' | 'TABLE' | 'SNOWFLAKE_SAMPLE_DATA' | 'TPCH_SF1'",
    ),
    ("SHOW TABLES STARTS WITH 'part'", ""),
    ("SHOW VIEWS", ""),
    (
        "SHOW TERSE VIEWS IN SCHEMA snowflake_sample_data.reports LIMIT 1",
        "'2025-01-01 00:00:00.000 +0000' | 'ORDERS_BY_MONTH' | 'VIEW' | 'SNOWFLAKE_SAMPLE_DATA' | 'REPORTS'",
    ),
    (
        "SHOW TERSE OBJECTS LIKE 'region'",
        "'2025-01-01 00:00:00.000 +0000' | 'REGION' | 'TABLE' | 'SNOWFLAKE_SAMPLE_DATA' | 'TPCH_SF1'",
    ),
    (
        "SHOW COLUMNS LIKE '%name' IN TABLE region",
        "'REGION' | 'TPCH_SF1' | 'R_NAME' | '{\"byteLength\":100,\"fixed\":false,\"length\":25,\"nullable\":false,\"type\":\"TEXT\"}' | 'NOT_NULL' | '' | 'COLUMN' | '' | '' | 'SNOWFLAKE_SAMPLE_DATA' | ''",
    ),
    (
        "DESCRIBE TABLE region",
        "'R_REGIONKEY' | 'NUMBER(38,0)' | 'COLUMN' | 'N' | NULL | 'N' | 'N' | NULL | NULL | NULL | NULL; 'R_NAME' | 'VARCHAR(25)' | 'COLUMN' | 'N' | NULL | 'N' | 'N' | NULL | NULL | NULL | NULL; 'R_COMMENT' | 'VARCHAR(152)' | 'COLUMN' | 'Y' | NULL | 'N' | 'N' | NULL | NULL | NULL | NULL",
    ),
    (
        "DESC VIEW reports.orders_by_month",
        "'ORDER_MONTH' | 'DATE' | 'COLUMN' | 'Y' | NULL | 'N' | 'N' | NULL | NULL | NULL | NULL; 'ORDERS' | 'NUMBER(38,0)' | 'COLUMN' | 'Y' | NULL | 'N' | 'N' | NULL | NULL | NULL | NULL; 'TOTAL_PRICE' | 'NUMBER(22,2)' | 'COLUMN' | 'Y' | NULL | 'N' | 'N' | NULL | NULL | NULL | NULL",
    ),
    (
        "DESC DATABASE snowflake_sample_data",
        "'2025-01-01 00:00:00.000 +0000' | 'INFORMATION_SCHEMA' | 'SCHEMA'; '2025-01-01 00:00:00.000 +0000' | 'REPORTS' | 'SCHEMA'; '2025-01-01 00:00:00.000 +0000' | 'TPCH_SF1' | 'SCHEMA'",
    ),
    (
        "SELECT GET_DDL('TABLE', 'region')",
        "'create or replace TABLE REGION (\n\tR_REGIONKEY NUMBER(38,0) NOT NULL,\n\tR_NAME VARCHAR(25) NOT NULL,\n\tR_COMMENT VARCHAR(152)\n);'",
    ),
    (
        "SELECT GET_DDL('VIEW', 'snowflake_sample_data.reports.orders_by_month') LIKE 'create or replace view ORDERS_BY_MONTH(%FROM SNOWFLAKE_SAMPLE_DATA.TPCH_SF1.ORDERS%'",
        "TRUE",
    ),
    (
        "SELECT table_name, row_count FROM information_schema.tables WHERE table_schema = 'TPCH_SF1' ORDER BY 1 LIMIT 2",
        "'CUSTOMER' | 1500; 'LINEITEM' | 60175",
    ),
    (
        "SELECT table_name FROM snowflake_sample_data.information_schema.views WHERE table_schema = 'REPORTS' ORDER BY 1",
        "'ORDERS_BY_MONTH'; 'REVENUE_BY_NATION'; 'SHIPPING_DELAYS'; 'TOP_CUSTOMERS'",
    ),
    (
        "SELECT column_name, data_type, numeric_precision, character_maximum_length FROM information_schema.columns WHERE table_name = 'REGION' ORDER BY ordinal_position",
        "'R_REGIONKEY' | 'NUMBER' | 38 | NULL; 'R_NAME' | 'TEXT' | NULL | 25; 'R_COMMENT' | 'TEXT' | NULL | 152",
    ),
    (
        "SELECT schema_name FROM information_schema.schemata ORDER BY 1",
        "'INFORMATION_SCHEMA'; 'REPORTS'; 'TPCH_SF1'",
    ),
    ("SELECT database_name FROM information_schema.databases", "'SNOWFLAKE_SAMPLE_DATA'"),
    ("SELECT COUNT(*) FROM reports.revenue_by_nation", "25"),
    ("SELECT COUNT(*) FROM reports.top_customers", "100"),
    ("SELECT SUM(lines) FROM reports.shipping_delays", "60175"),
];

/// A statement, and the names of its columns.
const NAMES: &[(&str, &str)] = &[
    ("select c_mktsegment, count(*) from customer group by 1", "C_MKTSEGMENT | COUNT(*)"),
    (
        "select 1, 1, 'abc', a.r_name, r_name as \"Name\" from region a",
        "1 | 1 | 'ABC' | R_NAME | Name",
    ),
    (
        "select sum( r_regionkey )+1, iff(true, 1, 2) from region",
        "SUM( R_REGIONKEY )+1 | IFF(TRUE, 1, 2)",
    ),
    ("select distinct upper(r_name) from region", "UPPER(R_NAME)"),
    ("with t as (select count(*) from region) select * from t", "COUNT(*)"),
    (
        "select extract(year from '1995-01-01'::date), 1 is distinct from 2",
        "EXTRACT(YEAR FROM '1995-01-01'::DATE) | 1 IS DISTINCT FROM 2",
    ),
    ("select *, r_name from region", "R_REGIONKEY | R_NAME | R_COMMENT | R_NAME"),
    (
        "SHOW DATABASES",
        "created_on | name | is_default | is_current | origin | owner | comment | options | retention_time | kind | budget | owner_role_type",
    ),
    (
        "SHOW SCHEMAS",
        "created_on | name | is_default | is_current | database_name | owner | comment | options | retention_time | owner_role_type | budget",
    ),
    (
        "SHOW TABLES",
        "created_on | name | database_name | schema_name | kind | comment | cluster_by | rows | bytes | owner | retention_time | automatic_clustering | change_tracking | search_optimization | search_optimization_progress | search_optimization_bytes | is_external | enable_schema_evolution | owner_role_type | is_event | budget | is_hybrid | is_iceberg | is_dynamic | is_immutable",
    ),
    (
        "SHOW VIEWS IN DATABASE snowflake_sample_data",
        "created_on | name | reserved | database_name | schema_name | owner | comment | text | is_secure | is_materialized | owner_role_type | change_tracking",
    ),
    (
        "SHOW OBJECTS",
        "created_on | name | database_name | schema_name | kind | comment | cluster_by | rows | bytes | owner | retention_time | owner_role_type | budget",
    ),
    (
        "SHOW COLUMNS IN TABLE region",
        "table_name | schema_name | column_name | data_type | null? | default | kind | expression | comment | database_name | autoincrement",
    ),
    (
        "DESCRIBE TABLE region",
        "name | type | kind | null? | default | primary key | unique key | check | expression | comment | policy name",
    ),
    ("EXPLAIN SELECT 1", "content"),
    ("USE SCHEMA reports", "status"),
];

/// A statement, and the types of its columns.
const TYPES: &[(&str, &str)] = &[
    ("SELECT c_custkey, c_acctbal, c_name FROM customer", "NUMBER(38,0) | NUMBER(12,2) | VARCHAR"),
    (
        "SELECT o_orderdate, TRUE, 1.5::FLOAT, '1995-01-01'::TIMESTAMP FROM orders",
        "DATE | BOOLEAN | FLOAT | TIMESTAMP_NTZ(9)",
    ),
    ("SELECT CURRENT_TIMESTAMP()", "TIMESTAMP_LTZ(9)"),
    ("SELECT 1/2, SUM(c_acctbal) FROM customer", "NUMBER(38,6) | NUMBER(22,2)"),
];

/// A statement, and how what is wrong with it is said.
const ERRORS: &[(&str, &str)] = &[
    (
        "SELECT * FROM custmer",
        "002003 (42S02): SQL compilation error: Object 'CUSTMER' does not exist or not authorized. Did you mean CUSTOMER?",
    ),
    (
        "SELECT * FROM tpch_sf1.custmer",
        "002003 (42S02): SQL compilation error: Object 'TPCH_SF1.CUSTMER' does not exist or not authorized. Did you mean TPCH_SF1.CUSTOMER?",
    ),
    (
        "SELECT * FROM top_customers",
        "002003 (42S02): SQL compilation error: Object 'TOP_CUSTOMERS' does not exist or not authorized. Did you mean SNOWFLAKE_SAMPLE_DATA.REPORTS.TOP_CUSTOMERS?",
    ),
    (
        "SELECT * FROM \"customer\"",
        "002003 (42S02): SQL compilation error: Object 'customer' does not exist or not authorized. Did you mean CUSTOMER?",
    ),
    (
        "SELECT * FROM prod.public.t",
        "002003 (42S02): SQL compilation error: Database 'PROD' does not exist or not authorized. Did you mean SNOWFLAKE_SAMPLE_DATA?",
    ),
    (
        "SELECT * FROM tpch_sf10.customer",
        "002003 (42S02): SQL compilation error: Schema 'SNOWFLAKE_SAMPLE_DATA.TPCH_SF10' does not exist or not authorized. Did you mean TPCH_SF1?",
    ),
    (
        "SELECT c_nam FROM customer",
        "000904 (42000): SQL compilation error: invalid identifier 'C_NAM'. Did you mean C_NAME?",
    ),
    (
        "SELECT c.nothing FROM customer c",
        "000904 (42000): SQL compilation error: invalid identifier 'C.NOTHING'",
    ),
    (
        "SELECT n_name FROM nation a JOIN nation b ON a.n_nationkey = b.n_nationkey",
        "002028 (42601): SQL compilation error: ambiguous column name 'N_NAME'",
    ),
    ("SELECT 1/0", "100051 (22012): Division by zero"),
    ("SELECT 'abc'::NUMBER", "100038 (22018): Numeric value 'abc' is not recognized"),
    ("SELECT TO_DATE('nonsense')", "100040 (22007): Date 'nonsense' is not recognized"),
    (
        "SELECT 'abcd'::VARCHAR(3)",
        "100078 (22000): String 'abcd' is too long and would be truncated",
    ),
    (
        "SELECT IFF(1 = 1, 2)",
        "001003 (42000): SQL compilation error: not enough arguments for function [IFF], expected 3, got 2",
    ),
    (
        "SELECT DATEADD(fortnight, 1, CURRENT_DATE)",
        "001003 (42000): SQL compilation error: 'FORTNIGHT' is not a recognized date or time part",
    ),
    ("", "000900 (42601): SQL compilation error: Empty SQL statement."),
    (
        "SELECT 1; SELECT 2",
        "000008 (0A000): Actual statement count 2 did not match the desired statement count 1.",
    ),
    (
        "SELECT IFFF(1, 2, 3)",
        "the embedded sample account cannot do this: the function IFFF is not known to it; did you mean IFF?",
    ),
    (
        "SELECT PARSE_JSON('{}')",
        "the embedded sample account cannot do this: the function PARSE_JSON is not known to it",
    ),
    (
        "INSERT INTO region VALUES (1, 'a', 'b')",
        "the embedded sample account cannot do this: INSERT statements; it is read-only and answers SELECT, SHOW, DESCRIBE, EXPLAIN and USE",
    ),
    (
        "CREATE TABLE t (a INT)",
        "the embedded sample account cannot do this: CREATE statements; it is read-only and answers SELECT, SHOW, DESCRIBE, EXPLAIN and USE",
    ),
    (
        "SELECT * FROM region AT(OFFSET => -60)",
        "the embedded sample account cannot do this: time travel (AT, BEFORE); its data has no history",
    ),
    (
        "SELECT r_name:a FROM region",
        "the embedded sample account cannot do this: paths into a VARIANT; semi-structured data (VARIANT, OBJECT, ARRAY) is missing",
    ),
    ("SELECT '1'::VARIANT", "the embedded sample account cannot do this: the type VARIANT"),
    (
        "SELECT * FROM TABLE(GENERATOR(ROWCOUNT => 3))",
        "the embedded sample account cannot do this: the table function GENERATOR; semi-structured data, generators and results of earlier statements are missing",
    ),
    (
        "SELECT SNOWFLAKE.CORTEX.COMPLETE('m', 'p')",
        "the embedded sample account cannot do this: the function SNOWFLAKE.CORTEX.COMPLETE; it has no functions in schemas, such as SNOWFLAKE.CORTEX",
    ),
    (
        "SHOW WAREHOUSES",
        "the embedded sample account cannot do this: SHOW WAREHOUSES; it answers SHOW DATABASES, SCHEMAS, TABLES, VIEWS, OBJECTS and COLUMNS",
    ),
    (
        "SHOW TABLES IN SCHEMA nowhere",
        "002003 (42S02): SQL compilation error: Schema 'SNOWFLAKE_SAMPLE_DATA.NOWHERE' does not exist or not authorized.",
    ),
    (
        "DESCRIBE TABLE nothing",
        "002003 (42S02): SQL compilation error: Object 'NOTHING' does not exist or not authorized.",
    ),
    (
        "USE DATABASE nowhere",
        "002003 (42S02): SQL compilation error: Database 'NOWHERE' does not exist or not authorized. Did you mean SNOWFLAKE_SAMPLE_DATA?",
    ),
    (
        "USE ROLE sysadmin",
        "the embedded sample account cannot do this: USE ROLE and USE WAREHOUSE; it has one of each",
    ),
    (
        "SELECT ?",
        "002049 (42601): SQL compilation error: bind variables: 1 in the statement, 0 given.",
    ),
];

fn check(wrong: &mut Vec<String>, statement: &str, given: &str, expected: &str) {
    if given != expected {
        wrong.push(format!("{statement}\n  given    {given}\n  expected {expected}"));
    }
}

#[tokio::test]
async fn the_account_describes_itself() {
    let mut asking = Asking::new().await;
    let mut wrong = Vec::new();
    for (statement, expected) in ROWS {
        check(&mut wrong, statement, &asking.rows(statement).await, expected);
    }
    for (statement, expected) in NAMES {
        check(&mut wrong, statement, &asking.names(statement).await, expected);
    }
    for (statement, expected) in TYPES {
        check(&mut wrong, statement, &asking.types(statement).await, expected);
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[tokio::test]
async fn errors_say_what_is_wrong_and_what_is_missing() {
    let mut asking = Asking::new().await;
    let mut wrong = Vec::new();
    for (statement, expected) in ERRORS {
        check(&mut wrong, statement, &asking.rows(statement).await, &format!("!{expected}"));
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[tokio::test]
async fn context_decides_where_short_names_are_looked_up() {
    let mut asking = Asking::new().await;
    asking.context.schema = Some("reports".to_owned());
    assert_eq!(asking.rows("SELECT COUNT(*) FROM top_customers").await, "100");
    assert_eq!(asking.rows("SELECT CURRENT_SCHEMA()").await, "'REPORTS'");
    assert!(asking.rows("SELECT * FROM region").await.contains("TPCH_SF1.REGION?"));
    asking.context.database = Some("nowhere".to_owned());
    assert!(asking.rows("SELECT * FROM top_customers").await.contains("Database 'NOWHERE'"));
}
