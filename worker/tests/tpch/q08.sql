-- National market share: NATION = BRAZIL, REGION = AMERICA, TYPE = ECONOMY ANODIZED STEEL.
SELECT o_year, mkt_share FROM (
  SELECT
    YEAR(o_orderdate) AS o_year,
    SUM(l_extendedprice * (1 - l_discount)) AS volume,
    SUM(IFF(seller.n_name = 'BRAZIL', l_extendedprice * (1 - l_discount), 0)) AS of_nation,
    of_nation / volume AS mkt_share
  FROM part
  JOIN lineitem ON l_partkey = p_partkey
  JOIN supplier ON s_suppkey = l_suppkey
  JOIN orders ON o_orderkey = l_orderkey
  JOIN customer ON c_custkey = o_custkey
  JOIN nation buyer ON buyer.n_nationkey = c_nationkey
  JOIN region ON r_regionkey = buyer.n_regionkey
  JOIN nation seller ON seller.n_nationkey = s_nationkey
  WHERE r_name = 'AMERICA'
    AND o_orderdate BETWEEN '1995-01-01'::DATE AND '1996-12-31'::DATE
    AND p_type = 'ECONOMY ANODIZED STEEL'
  GROUP BY o_year
)
ORDER BY o_year
