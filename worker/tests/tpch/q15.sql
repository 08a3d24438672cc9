-- Top supplier: DATE = 1996-01-01.
WITH revenue AS (
  SELECT l_suppkey AS supplier_no, SUM(l_extendedprice * (1 - l_discount)) AS total_revenue
  FROM lineitem
  WHERE l_shipdate >= TO_DATE('1996-01-01', 'YYYY-MM-DD')
    AND l_shipdate < DATEADD(quarter, 1, TO_DATE('1996-01-01', 'YYYY-MM-DD'))
  GROUP BY l_suppkey
)
SELECT s_suppkey, s_name, s_address, s_phone, total_revenue
FROM supplier
JOIN revenue ON supplier_no = s_suppkey
WHERE total_revenue = (SELECT MAX(total_revenue) FROM revenue)
ORDER BY s_suppkey
