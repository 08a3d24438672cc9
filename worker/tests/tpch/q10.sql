-- Returned items: DATE = 1993-10-01.
SELECT
  c_custkey, c_name,
  SUM(l_extendedprice * (1 - l_discount)) AS revenue,
  c_acctbal, n_name, c_address, c_phone, c_comment
FROM customer
JOIN orders ON o_custkey = c_custkey
JOIN lineitem ON l_orderkey = o_orderkey
JOIN nation ON n_nationkey = c_nationkey
WHERE o_orderdate >= '1993-10-01'
  AND o_orderdate < ADD_MONTHS('1993-10-01'::DATE, 3)
  AND l_returnflag = 'R'
GROUP BY ALL
ORDER BY revenue DESC
LIMIT 20
