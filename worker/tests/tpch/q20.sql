-- Potential part promotion: COLOR = forest, DATE = 1994-01-01, NATION = CANADA.
WITH shipped AS (
  SELECT l_partkey, l_suppkey, SUM(l_quantity) AS quantity
  FROM lineitem
  WHERE l_shipdate >= '1994-01-01'::DATE AND l_shipdate < DATEADD(year, 1, '1994-01-01'::DATE)
  GROUP BY l_partkey, l_suppkey
)
SELECT s_name, s_address
FROM supplier
JOIN nation ON n_nationkey = s_nationkey
WHERE n_name = 'CANADA'
  AND s_suppkey IN (
    SELECT ps_suppkey
    FROM partsupp
    JOIN shipped ON l_partkey = ps_partkey AND l_suppkey = ps_suppkey
    WHERE ps_partkey IN (SELECT p_partkey FROM part WHERE p_name ILIKE 'FOREST%')
      AND ps_availqty > 0.5 * quantity
  )
ORDER BY s_name
