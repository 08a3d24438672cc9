-- Minimum cost supplier: SIZE = 15, TYPE = BRASS, REGION = EUROPE.
WITH offers AS (
  SELECT s_acctbal, s_name, n_name, p_partkey, p_mfgr, s_address, s_phone, s_comment,
         ps_supplycost
  FROM part
  JOIN partsupp ON ps_partkey = p_partkey
  JOIN supplier ON s_suppkey = ps_suppkey
  JOIN nation ON n_nationkey = s_nationkey
  JOIN region ON r_regionkey = n_regionkey
  WHERE p_size = 15 AND ENDSWITH(p_type, 'BRASS') AND r_name = 'EUROPE'
)
SELECT s_acctbal, s_name, n_name, p_partkey, p_mfgr, s_address, s_phone, s_comment
FROM offers
QUALIFY RANK() OVER (PARTITION BY p_partkey ORDER BY ps_supplycost) = 1
ORDER BY s_acctbal DESC, n_name, s_name, p_partkey
LIMIT 100
