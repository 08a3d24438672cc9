//! Each function and operator of the embedded account, as a table: an expression and what it
//! gives. Numbers stand bare, texts in quotes, floats behind `~`.
#![cfg(feature = "embedded")]

mod embedded_account;

use embedded_account::Asking;

/// Expressions without a table.
const EXPRESSIONS: &[(&str, &str)] = &[
    // Choices and NULL.
    ("COALESCE(NULL, 2, 3)", "2"),
    ("DECODE(2, 1, 'one', 2, 'two', 'many')", "'two'"),
    ("DECODE(NULL, 1, 'one', NULL, 'none')", "'none'"),
    ("DECODE(7, 1, 'one', 'many')", "'many'"),
    ("EQUAL_NULL(NULL, NULL)", "TRUE"),
    ("EQUAL_NULL(1, NULL)", "FALSE"),
    ("GREATEST(1, 3, 2)", "3"),
    ("GREATEST(1, NULL)", "NULL"),
    ("IFF(1 > 2, 'yes', 'no')", "'no'"),
    ("IFF(NULL, 'yes', 'no')", "'no'"),
    ("IFNULL(NULL, 5)", "5"),
    ("LEAST(3, 1, 2)", "1"),
    ("NULLIF(1, 1)", "NULL"),
    ("NULLIFZERO(0)", "NULL"),
    ("NULLIFZERO(3)", "3"),
    ("NVL(NULL, 'x')", "'x'"),
    ("NVL2(1, 'set', 'unset')", "'set'"),
    ("NVL2(NULL, 'set', 'unset')", "'unset'"),
    ("ZEROIFNULL(NULL)", "0"),
    // Numbers.
    ("1/2", "0.500000"),
    ("10/3", "3.333333"),
    ("-7/2", "-3.500000"),
    ("1.5/0.25", "6.0000000"),
    ("1::FLOAT/4", "~0.25"),
    ("1.10 + 2.205", "3.305"),
    ("3 * 4 - 5", "7"),
    ("9223372036854775807::NUMBER + 1", "9223372036854775808"),
    ("7 % 4", "3"),
    ("MOD(7, 4)", "3"),
    ("ABS(-2.5)", "2.5"),
    ("CEIL(1.2)", "2"),
    ("CEIL(-1.2)", "-1"),
    ("FLOOR(-1.2)", "-2"),
    ("FLOOR(1.29, 1)", "1.2"),
    ("DIV0(1, 0)", "0.000000"),
    ("DIV0(1, 4)", "0.250000"),
    ("DIV0NULL(1, NULL)", "0.000000"),
    ("EXP(0)", "~1"),
    ("LN(1)", "~0"),
    ("LOG(10, 100)", "~2"),
    ("POWER(2, 10)", "~1024"),
    ("ROUND(2.5)", "3"),
    ("ROUND(-2.5)", "-3"),
    ("ROUND(1.2345, 2)", "1.23"),
    ("ROUND(1250, -2)", "1300"),
    ("ROUND(2.345::FLOAT, 1)", "~2.3"),
    ("SIGN(-3)", "-1"),
    ("SQRT(16)", "~4"),
    ("SQUARE(3)", "~9"),
    ("TRUNC(1.987, 1)", "1.9"),
    ("TRUNC(DATE '1995-03-15', 'month')", "'1995-03-01'"),
    ("TRUNCATE(-1.9)", "-1"),
    ("RANDOM() IS NOT NULL", "TRUE"),
    // Text.
    ("'a' || 'b' || 1", "'ab1'"),
    ("ASCII('A')", "65"),
    ("CHARINDEX('an', 'banana')", "2"),
    ("CHARINDEX('an', 'banana', 3)", "4"),
    ("CHR(65)", "'A'"),
    ("CONCAT('a', 1, 'b')", "'a1b'"),
    ("CONCAT('a', NULL)", "NULL"),
    ("CONCAT_WS('-', 'a', 'b')", "'a-b'"),
    ("CONTAINS('snowflake', 'flak')", "TRUE"),
    ("ENDSWITH('snowflake', 'flake')", "TRUE"),
    ("STARTSWITH('snowflake', 'snow')", "TRUE"),
    ("INITCAP('hello world')", "'Hello World'"),
    ("LEFT('snowflake', 4)", "'snow'"),
    ("RIGHT('snowflake', 5)", "'flake'"),
    ("LENGTH('snow')", "4"),
    ("LEN(12345)", "5"),
    ("LOWER('ABC')", "'abc'"),
    ("UPPER('abc')", "'ABC'"),
    ("LPAD('7', 3, '0')", "'007'"),
    ("RPAD('7', 3, '0')", "'700'"),
    ("TRIM('  x ')", "'x'"),
    ("TRIM('xxaxx', 'x')", "'a'"),
    ("LTRIM('  x ')", "'x '"),
    ("RTRIM('  x ')", "'  x'"),
    ("POSITION('an', 'banana')", "2"),
    ("POSITION('an' IN 'banana')", "2"),
    ("REGEXP_COUNT('banana', 'an')", "2"),
    ("REGEXP_LIKE('banana', 'b.*a')", "TRUE"),
    ("REGEXP_LIKE('banana', 'an')", "FALSE"),
    ("'banana' RLIKE 'ban.*'", "TRUE"),
    ("REGEXP_REPLACE('banana', 'a', 'o')", "'bonono'"),
    ("REGEXP_SUBSTR('order 42 of 43', '[0-9]+')", "'42'"),
    ("REPEAT('ab', 2)", "'abab'"),
    ("REPLACE('banana', 'an', 'o')", "'booa'"),
    ("REPLACE('banana', 'an')", "'ba'"),
    ("REVERSE('abc')", "'cba'"),
    ("SPLIT_PART('a-b-c', '-', 2)", "'b'"),
    ("SPLIT_PART('a-b-c', '-', -1)", "'c'"),
    ("SPLIT_PART('a-b-c', '-', 9)", "''"),
    ("SUBSTR('snowflake', 5)", "'flake'"),
    ("SUBSTR('snowflake', -5, 2)", "'fl'"),
    ("SUBSTRING('snowflake', 1, 4)", "'snow'"),
    ("SUBSTRING('snowflake' FROM 1 FOR 4)", "'snow'"),
    ("TRANSLATE('abc', 'ab', 'xy')", "'xyc'"),
    ("'Snow' ILIKE 'sNOW%'", "TRUE"),
    ("'Snow' LIKE 'snow%'", "FALSE"),
    ("'snow' LIKE ANY ('rain%', 'sn%')", "TRUE"),
    // Dates and times.
    ("DATEADD(day, -90, '1998-12-01'::DATE)", "'1998-09-02'"),
    ("DATEADD('month', 1, '1995-01-31'::DATE)", "'1995-02-28'"),
    ("DATEADD(hour, 1, '1995-01-01'::DATE)", "'1995-01-01 01:00:00.000'"),
    ("TIMESTAMPADD(minute, 90, '1995-01-01 00:00:00'::TIMESTAMP)", "'1995-01-01 01:30:00.000'"),
    ("DATEDIFF(day, '1995-01-01', '1995-03-01')", "59"),
    ("DATEDIFF(month, '1995-01-31'::DATE, '1995-02-01'::DATE)", "1"),
    ("DATEDIFF('week', '1995-01-01'::DATE, '1995-01-02'::DATE)", "1"),
    ("TIMESTAMPDIFF(hour, '1995-01-01 00:59:00', '1995-01-01 01:00:00')", "1"),
    ("DATE_TRUNC('quarter', '1995-05-15'::DATE)", "'1995-04-01'"),
    ("DATE_TRUNC(week, '1995-01-01'::DATE)", "'1994-12-26'"),
    ("DATE_TRUNC('hour', '1995-01-01 10:20:30'::TIMESTAMP)", "'1995-01-01 10:00:00.000'"),
    ("DATE_PART(year, '1995-05-15'::DATE)", "1995"),
    ("DATE_PART('epoch_second', '1970-01-02'::DATE)", "86400"),
    ("EXTRACT(month FROM '1995-05-15'::DATE)", "5"),
    ("YEAR('1995-05-15'::DATE)", "1995"),
    ("MONTH('1995-05-15'::DATE)", "5"),
    ("DAY('1995-05-15'::DATE)", "15"),
    ("QUARTER('1995-05-15'::DATE)", "2"),
    ("HOUR('1995-05-15 10:20:30'::TIMESTAMP)", "10"),
    ("MINUTE('1995-05-15 10:20:30'::TIMESTAMP)", "20"),
    ("SECOND('1995-05-15 10:20:30'::TIMESTAMP)", "30"),
    ("WEEK('1995-05-15'::DATE)", "20"),
    ("DAYOFWEEK('1995-05-14'::DATE)", "0"),
    ("DAYOFYEAR('1995-02-01'::DATE)", "32"),
    ("DAYNAME('1995-05-15'::DATE)", "'Mon'"),
    ("MONTHNAME('1995-05-15'::DATE)", "'May'"),
    ("LAST_DAY('1996-02-10'::DATE)", "'1996-02-29'"),
    ("LAST_DAY('1996-02-10'::DATE, 'year')", "'1996-12-31'"),
    ("ADD_MONTHS('1995-02-28'::DATE, 1)", "'1995-03-31'"),
    ("MONTHS_BETWEEN('1995-03-01'::DATE, '1995-01-01'::DATE)", "~2"),
    ("DATE_FROM_PARTS(1995, 5, 15)", "'1995-05-15'"),
    ("'1995-05-15'::DATE + 3", "'1995-05-18'"),
    ("'1995-05-15'::DATE - 3", "'1995-05-12'"),
    ("'1995-05-15'::DATE - '1995-05-01'::DATE", "14"),
    ("'1995-05-15'::DATE - INTERVAL '1 month'", "'1995-04-15'"),
    ("CURRENT_DATE() >= '2024-01-01'", "TRUE"),
    ("CURRENT_DATE >= '2024-01-01'", "TRUE"),
    ("CURRENT_TIMESTAMP() > '2024-01-01'::TIMESTAMP", "TRUE"),
    ("SYSDATE() > '2024-01-01'", "TRUE"),
    // Conversions.
    ("TO_DATE('1995-05-15')", "'1995-05-15'"),
    ("TO_DATE('15.05.1995', 'DD.MM.YYYY')", "'1995-05-15'"),
    ("TO_DATE('15-MAY-1995', 'DD-MON-YYYY')", "'1995-05-15'"),
    ("TO_DATE('05/15/1995')", "'1995-05-15'"),
    ("TO_DATE('1995-10-01T10:00:00')", "'1995-10-01'"),
    ("TO_TIMESTAMP('1995-05-15 10:20:30.5')", "'1995-05-15 10:20:30.500'"),
    ("TO_TIMESTAMP(86400)", "'1970-01-02 00:00:00.000'"),
    ("TRY_TO_DATE('nonsense')", "NULL"),
    ("TRY_TO_DATE('1995-05-15')", "'1995-05-15'"),
    ("TRY_TO_TIMESTAMP('nonsense')", "NULL"),
    ("TO_CHAR('1995-05-15'::DATE, 'YYYY-MM-DD')", "'1995-05-15'"),
    ("TO_CHAR('1995-05-15'::DATE, 'DD Mon YYYY')", "'15 May 1995'"),
    (
        "TO_VARCHAR('1995-05-15 22:20:30'::TIMESTAMP, 'YYYYMMDD HH12:MI:SS PM')",
        "'19950515 10:20:30 PM'",
    ),
    ("TO_CHAR(1234.5, '999,999.00')", "'   1,234.50'"),
    ("TO_CHAR(-12, 'FM999')", "'-12'"),
    ("TO_CHAR(1234.5, 'FM$9,990.00')", "'$1,234.50'"),
    ("TO_VARCHAR(1.50)", "'1.50'"),
    ("TO_VARCHAR(1.5::FLOAT)", "'1.5'"),
    ("TO_VARCHAR(TRUE)", "'true'"),
    ("TO_NUMBER('12.6')", "13"),
    ("TO_NUMBER('12.65', 10, 1)", "12.7"),
    ("TO_DECIMAL('1e3', 10, 2)", "1000.00"),
    ("TRY_TO_NUMBER('abc')", "NULL"),
    ("TRY_TO_NUMBER('42')", "42"),
    ("TO_DOUBLE('1.25')", "~1.25"),
    ("TO_BOOLEAN('yes')", "TRUE"),
    ("TRY_CAST('abc' AS NUMBER)", "NULL"),
    ("TRY_CAST('1.5' AS NUMBER(5,2))", "1.50"),
    ("TRY_CAST('1995-13-01' AS DATE)", "NULL"),
    ("CAST(1.5 AS INT)", "2"),
    ("'12'::INT + 1", "13"),
    ("'1.239'::NUMBER(10,2)", "1.24"),
    ("12::VARCHAR", "'12'"),
    ("'abc'::VARCHAR(3)", "'abc'"),
    ("'true'::BOOLEAN", "TRUE"),
    // The session.
    ("CURRENT_ACCOUNT()", "'EMBEDDED'"),
    ("CURRENT_DATABASE()", "'SNOWFLAKE_SAMPLE_DATA'"),
    ("CURRENT_ROLE()", "'PUBLIC'"),
    ("CURRENT_SCHEMA()", "'TPCH_SF1'"),
    ("CURRENT_SESSION()", "'1'"),
    ("CURRENT_USER()", "'MCP'"),
    ("CURRENT_USER", "'MCP'"),
    ("CURRENT_VERSION() LIKE '%embedded'", "TRUE"),
    ("CURRENT_WAREHOUSE()", "'EMBEDDED_WH'"),
];

/// Queries with a table, their rows joined by `; `.
const QUERIES: &[(&str, &str)] = &[
    (
        "select c_mktsegment, count(*) from SNOWFLAKE_SAMPLE_DATA.TPCH_SF1.CUSTOMER \
         group by 1 order by 1",
        "'AUTOMOBILE' | 302; 'BUILDING' | 337; 'FURNITURE' | 279; 'HOUSEHOLD' | 294; \
         'MACHINERY' | 288",
    ),
    ("SELECT COUNT(*), SUM(n_regionkey), AVG(n_regionkey) FROM nation", "25 | 50 | 2.000000"),
    ("SELECT AVG(c_acctbal) FROM customer WHERE c_custkey <= 2", "416.60500000"),
    ("SELECT SUM(c_acctbal) FROM customer WHERE c_custkey <= 2", "833.21"),
    (
        "SELECT MEDIAN(n_nationkey), MEDIAN(c_custkey) FROM nation, customer WHERE n_nationkey < 2 AND c_custkey < 4",
        "0.500 | 2.000",
    ),
    ("SELECT COUNT_IF(n_regionkey = 1) FROM nation", "5"),
    ("SELECT APPROX_COUNT_DISTINCT(n_regionkey) FROM nation", "5"),
    ("SELECT ANY_VALUE(r_name) FROM region WHERE r_regionkey = 0", "'AFRICA'"),
    (
        "SELECT MIN_BY(r_name, r_regionkey), MAX_BY(r_name, r_regionkey) FROM region",
        "'AFRICA' | 'MIDDLE EAST'",
    ),
    (
        "SELECT BOOLAND_AGG(n_regionkey < 5), BOOLOR_AGG(n_regionkey > 4) FROM nation",
        "TRUE | FALSE",
    ),
    (
        "SELECT LISTAGG(r_name, ', ') WITHIN GROUP (ORDER BY r_name DESC) FROM region",
        "'MIDDLE EAST, EUROPE, ASIA, AMERICA, AFRICA'",
    ),
    (
        "SELECT LISTAGG(DISTINCT n_regionkey, '-') WITHIN GROUP (ORDER BY n_regionkey) FROM nation",
        "'0-1-2-3-4'",
    ),
    ("SELECT LISTAGG(r_name) FROM region WHERE 1 = 0", "''"),
    ("SELECT STDDEV(n_regionkey) > 1.4, VARIANCE(n_regionkey) > 2 FROM nation", "TRUE | TRUE"),
    ("SELECT PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY n_nationkey::FLOAT) FROM nation", "~12"),
    (
        "SELECT r_name, RATIO_TO_REPORT(r_regionkey) OVER () FROM region ORDER BY 2 DESC LIMIT 1",
        "'MIDDLE EAST' | 0.400000",
    ),
    (
        "SELECT r_name FROM region QUALIFY ROW_NUMBER() OVER (ORDER BY r_name DESC) = 1",
        "'MIDDLE EAST'",
    ),
    (
        "SELECT r_name, RANK() OVER (ORDER BY r_name) AS place FROM region QUALIFY place = 2",
        "'AMERICA' | 2",
    ),
    ("SELECT DISTINCT LAST_VALUE(r_name) OVER (ORDER BY r_regionkey) FROM region", "'MIDDLE EAST'"),
    (
        "SELECT r_name, LAG(r_name) OVER (ORDER BY r_regionkey) FROM region ORDER BY r_regionkey LIMIT 2",
        "'AFRICA' | NULL; 'AMERICA' | 'AFRICA'",
    ),
    ("SELECT TOP 2 r_name FROM region ORDER BY 1", "'AFRICA'; 'AMERICA'"),
    ("SELECT COUNT(*) FROM nation SAMPLE (100)", "25"),
    ("SELECT COUNT(*) FROM nation TABLESAMPLE (7 ROWS)", "7"),
    ("SELECT n_regionkey, COUNT(*) FROM nation GROUP BY ALL ORDER BY 1 LIMIT 1", "0 | 5"),
    ("SELECT 1 AS one, one + 1 AS two, two * 2 AS four", "1 | 2 | 4"),
    ("SELECT r_regionkey * 2 AS twice FROM region WHERE twice > 6", "8"),
    (
        "SELECT n_regionkey AS r, COUNT(*) AS n FROM nation GROUP BY r HAVING n > 4 ORDER BY r LIMIT 1",
        "0 | 5",
    ),
    (
        "SELECT column1, column2 FROM VALUES (1, 'a'), (2, NULL) ORDER BY column2",
        "1 | 'a'; 2 | NULL",
    ),
    ("SELECT column1 FROM VALUES (1), (NULL), (2) ORDER BY 1 DESC", "NULL; 2; 1"),
    ("SELECT column1 FROM VALUES (1), (NULL), (2) ORDER BY 1", "1; 2; NULL"),
    (
        "WITH region AS (SELECT * FROM region WHERE r_regionkey < 2) SELECT COUNT(*) FROM region",
        "2",
    ),
    (
        "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 4) SELECT COUNT(*) FROM n",
        "4",
    ),
    ("SELECT \"R_NAME\" FROM \"REGION\" WHERE \"R_REGIONKEY\" = 0", "'AFRICA'"),
    (
        "SELECT region.r_name FROM snowflake_sample_data.tpch_sf1.region WHERE region.r_regionkey = 0",
        "'AFRICA'",
    ),
    ("SELECT 1 UNION SELECT 2 ORDER BY 1", "1; 2"),
    ("SELECT r_name FROM region EXCEPT SELECT 'ASIA' ORDER BY 1 LIMIT 1", "'AFRICA'"),
    ("SELECT * EXCLUDE (r_comment) FROM region WHERE r_regionkey = 0", "0 | 'AFRICA'"),
    (
        "SELECT n_name FROM nation JOIN region ON n_regionkey = r_regionkey WHERE r_name = 'ASIA' ORDER BY 1 LIMIT 1",
        "'CHINA'",
    ),
    ("SELECT COUNT(*) FROM nation a, nation b WHERE a.n_regionkey = b.n_regionkey", "125"),
    ("SELECT SUM(l_linenumber) / COUNT(*) > 2 FROM lineitem", "TRUE"),
    ("SELECT orders FROM reports.orders_by_month ORDER BY order_month LIMIT 1", "203"),
];

#[tokio::test]
async fn every_expression_gives_what_snowflake_gives() {
    let mut asking = Asking::new().await;
    let mut wrong = Vec::new();
    for (expression, expected) in EXPRESSIONS {
        let given = asking.rows(&format!("SELECT {expression}")).await;
        if given != *expected {
            wrong.push(format!("{expression}: {given}, not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[tokio::test]
async fn every_query_gives_what_snowflake_gives() {
    let mut asking = Asking::new().await;
    let mut wrong = Vec::new();
    for (query, expected) in QUERIES {
        let given = asking.rows(query).await;
        if given != *expected {
            wrong.push(format!("{query}: {given}, not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
