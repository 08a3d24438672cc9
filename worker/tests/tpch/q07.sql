-- Volume shipping: NATION1 = FRANCE, NATION2 = GERMANY.
SELECT
  seller.n_name AS supp_nation,
  buyer.n_name AS cust_nation,
  YEAR(l_shipdate) AS l_year,
  SUM(l_extendedprice * (1 - l_discount)) AS revenue
FROM supplier
JOIN lineitem ON l_suppkey = s_suppkey
JOIN orders ON o_orderkey = l_orderkey
JOIN customer ON c_custkey = o_custkey
JOIN nation seller ON seller.n_nationkey = s_nationkey
JOIN nation buyer ON buyer.n_nationkey = c_nationkey
WHERE ((supp_nation = 'FRANCE' AND cust_nation = 'GERMANY')
    OR (supp_nation = 'GERMANY' AND cust_nation = 'FRANCE'))
  AND l_shipdate BETWEEN '1995-01-01' AND '1996-12-31'
GROUP BY ALL
ORDER BY supp_nation, cust_nation, l_year
