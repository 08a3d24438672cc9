//! The views of the account: reports that somebody would really ask of these tables.

/// A view: its name and the query behind it.
pub(crate) struct View {
    /// Its name.
    pub(crate) name: &'static str,
    /// The query, with names in full.
    pub(crate) query: &'static str,
}

/// All of them; a view may use those before it.
pub(crate) const VIEWS: &[View] = &[
    View {
        name: "ORDERS_BY_MONTH",
        query: "\
SELECT
  DATE_TRUNC('MONTH', O_ORDERDATE) AS ORDER_MONTH,
  COUNT(*) AS ORDERS,
  SUM(O_TOTALPRICE) AS TOTAL_PRICE
FROM SNOWFLAKE_SAMPLE_DATA.TPCH_SF1.ORDERS
GROUP BY 1",
    },
    View {
        name: "REVENUE_BY_NATION",
        query: "\
SELECT
  R_NAME AS REGION,
  N_NAME AS NATION,
  COUNT(DISTINCT O_ORDERKEY) AS ORDERS,
  SUM(L_EXTENDEDPRICE * (1 - L_DISCOUNT)) AS REVENUE
FROM SNOWFLAKE_SAMPLE_DATA.TPCH_SF1.LINEITEM
JOIN SNOWFLAKE_SAMPLE_DATA.TPCH_SF1.ORDERS ON L_ORDERKEY = O_ORDERKEY
JOIN SNOWFLAKE_SAMPLE_DATA.TPCH_SF1.CUSTOMER ON O_CUSTKEY = C_CUSTKEY
JOIN SNOWFLAKE_SAMPLE_DATA.TPCH_SF1.NATION ON C_NATIONKEY = N_NATIONKEY
JOIN SNOWFLAKE_SAMPLE_DATA.TPCH_SF1.REGION ON N_REGIONKEY = R_REGIONKEY
GROUP BY R_NAME, N_NAME",
    },
    View {
        name: "SHIPPING_DELAYS",
        query: "\
SELECT
  L_SHIPMODE AS SHIP_MODE,
  COUNT(*) AS LINES,
  COUNT_IF(L_RECEIPTDATE > L_COMMITDATE) AS LATE_LINES,
  AVG(DATEDIFF('DAY', L_SHIPDATE, L_RECEIPTDATE)) AS DAYS_ON_THE_WAY
FROM SNOWFLAKE_SAMPLE_DATA.TPCH_SF1.LINEITEM
GROUP BY L_SHIPMODE",
    },
    View {
        name: "TOP_CUSTOMERS",
        query: "\
SELECT
  C_CUSTKEY AS CUSTOMER_KEY,
  C_NAME AS CUSTOMER,
  C_MKTSEGMENT AS MARKET_SEGMENT,
  COUNT(*) AS ORDERS,
  SUM(O_TOTALPRICE) AS TOTAL_PRICE
FROM SNOWFLAKE_SAMPLE_DATA.TPCH_SF1.CUSTOMER
JOIN SNOWFLAKE_SAMPLE_DATA.TPCH_SF1.ORDERS ON C_CUSTKEY = O_CUSTKEY
GROUP BY C_CUSTKEY, C_NAME, C_MKTSEGMENT
QUALIFY RANK() OVER (ORDER BY SUM(O_TOTALPRICE) DESC) <= 100",
    },
];

impl View {
    /// The statement that would make it, as `GET_DDL` and `SHOW VIEWS` give it.
    pub(crate) fn text(&self, columns: &[String]) -> String {
        format!(
            "create or replace view {}(\n\t{}\n) as\n{};",
            self.name,
            columns.join(",\n\t"),
            self.query
        )
    }
}
