-- Small-quantity orders: BRAND = Brand#23, CONTAINER = MED BOX.
SELECT SUM(l_extendedprice) / 7.0 AS avg_yearly
FROM lineitem
JOIN part ON p_partkey = l_partkey
WHERE p_brand = 'Brand#23'
  AND p_container = 'MED BOX'
  AND l_quantity < (
    SELECT 0.2 * AVG(inside.l_quantity) FROM lineitem inside WHERE inside.l_partkey = p_partkey
  )
