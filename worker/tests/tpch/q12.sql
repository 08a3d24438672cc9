-- Shipping modes and order priority: SHIPMODE1 = MAIL, SHIPMODE2 = SHIP, DATE = 1994-01-01.
SELECT
  l_shipmode,
  COUNT_IF(o_orderpriority IN ('1-URGENT', '2-HIGH')) AS high_line_count,
  COUNT_IF(o_orderpriority NOT IN ('1-URGENT', '2-HIGH')) AS low_line_count
FROM orders
JOIN lineitem ON l_orderkey = o_orderkey
WHERE l_shipmode IN ('MAIL', 'SHIP')
  AND l_commitdate < l_receiptdate
  AND l_shipdate < l_commitdate
  AND DATE_TRUNC('year', l_receiptdate) = '1994-01-01'
GROUP BY l_shipmode
ORDER BY l_shipmode
