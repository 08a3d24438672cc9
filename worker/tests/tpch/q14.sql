-- Promotion effect: DATE = 1995-09-01.
SELECT
  100.00 * SUM(IFF(STARTSWITH(p_type, 'PROMO'), l_extendedprice * (1 - l_discount), 0))
    / SUM(l_extendedprice * (1 - l_discount)) AS promo_revenue
FROM lineitem
JOIN part ON p_partkey = l_partkey
WHERE l_shipdate >= '1995-09-01'::DATE
  AND l_shipdate <= LAST_DAY('1995-09-01'::DATE)
