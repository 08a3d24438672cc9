-- Global sales opportunity: codes 13 31 23 29 30 18 17.
WITH candidates AS (
  SELECT c_custkey, LEFT(c_phone, 2) AS cntrycode, c_acctbal
  FROM customer
  WHERE cntrycode IN ('13', '31', '23', '29', '30', '18', '17')
)
SELECT cntrycode, COUNT(*) AS numcust, SUM(c_acctbal) AS totacctbal
FROM candidates
WHERE c_acctbal > (SELECT AVG(c_acctbal) FROM candidates WHERE c_acctbal > 0.00)
  AND NOT EXISTS (SELECT 1 FROM orders WHERE o_custkey = c_custkey)
GROUP BY cntrycode
ORDER BY cntrycode
