-- Product type profit: COLOR = green.
SELECT
  n_name AS nation,
  DATE_PART(year, o_orderdate) AS o_year,
  SUM(l_extendedprice * (1 - l_discount) - ps_supplycost * l_quantity) AS sum_profit
FROM part
JOIN lineitem ON l_partkey = p_partkey
JOIN partsupp ON ps_partkey = l_partkey AND ps_suppkey = l_suppkey
JOIN supplier ON s_suppkey = l_suppkey
JOIN orders ON o_orderkey = l_orderkey
JOIN nation ON n_nationkey = s_nationkey
WHERE CONTAINS(p_name, 'green')
GROUP BY 1, 2
ORDER BY nation, o_year DESC
