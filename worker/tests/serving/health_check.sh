#!/bin/bash
# health_check.sh

HEALTH_URL="http://localhost:8000/health"
METRICS_URL="http://localhost:8001/metrics"

# Check service responsiveness
if ! curl -f -m 10 "$HEALTH_URL" > /dev/null 2>&1; then
    echo "❌ CRITICAL: Service not responding"
    exit 2
fi

# Check health status
health_status=$(curl -s "$HEALTH_URL" | jq -r '.status')
if [ "$health_status" != "healthy" ]; then
    echo "❌ WARNING: Service unhealthy: $health_status"
    exit 1
fi

# Check Snowflake connection
sf_status=$(curl -s "$HEALTH_URL" | jq -r '.snowflake_connection')
if [ "$sf_status" != "healthy" ]; then
    echo "❌ WARNING: Snowflake connection unhealthy: $sf_status"
    exit 1
fi

# Check connection pool
active_connections=$(curl -s "$METRICS_URL" | grep pool_connections_active | awk '{print $2}')
max_connections=$(curl -s "$METRICS_URL" | grep pool_connections_max | awk '{print $2}')

if [ -n "$active_connections" ] && [ -n "$max_connections" ]; then
    utilization=$(echo "scale=2; $active_connections / $max_connections * 100" | bc)
    if (( $(echo "$utilization > 90" | bc -l) )); then
        echo "❌ WARNING: High connection pool utilization: ${utilization}%"
        exit 1
    fi
fi

echo "✅ All health checks passed"
exit 0
