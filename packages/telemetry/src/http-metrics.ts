import type { FastifyInstance, RouteOptions } from 'fastify'
import { Histogram } from 'prom-client'

const buckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const duration = new Histogram({
  name: 'http_server_request_duration_seconds',
  help: 'Time from the start of a request until its response was sent; unknown paths are route `none`',
  labelNames: ['http_request_method', 'http_route', 'http_response_status_code'],
  buckets,
})

/**
 * Measures every request, but for probes and scrapes. What a route can answer is there from the start, as 0.
 * @param routes every route, known when the server is ready
 * @param statusesOf the statuses that a route can answer
 */
export function measureRequests(
  app: Pick<FastifyInstance, 'addHook'>,
  routes: readonly RouteOptions[],
  statusesOf: (route: RouteOptions) => number[],
): void {
  app.addHook('onResponse', ({ method, routeOptions }, reply, done) => {
    const { url = 'none', logLevel } = routeOptions
    if (logLevel !== silent) observe(seriesOf(method, url, reply.statusCode), reply.elapsedTime / 1_000)
    done()
  })
  app.addHook('onReady', (done) => {
    for (const route of routes)
      if (route.logLevel !== silent && route.method !== 'HEAD')
        for (const status of statusesOf(route)) seriesOf(String(route.method), route.url, status)
    seriesOf('GET', 'none', 404)
    done()
  })
}

/** The log level of routes for probes. */
const silent = 'silent'

/** What is counted of one method, route and status, in prom-client's own form. */
type Series = { bucketValues: Record<number, number>; sum: number; count: number }
const known = new Map<string, Series>()

/** prom-client's `observe` looks up a text of all labels, which takes 5 % of the time of an answer from memory. */
function observe(series: Series, seconds: number): void {
  const bucket = buckets.find((bound) => seconds <= bound)
  if (bucket !== undefined) series.bucketValues[bucket] = (series.bucketValues[bucket] ?? 0) + 1
  series.sum += seconds
  series.count++
}

function seriesOf(requested: string, route: string, status: number): Series {
  const method = methods.has(requested) ? requested : '_OTHER'
  const key = `${method} ${route} ${status}`
  const series = known.get(key) ?? newSeries(method, route, status)
  known.set(key, series)
  return series
}

function newSeries(http_request_method: string, http_route: string, http_response_status_code: number): Series {
  const labels = { http_request_method, http_route, http_response_status_code }
  duration.zero(labels)
  const { hashMap } = duration as unknown as { hashMap: Record<string, Series & { labels: object }> }
  return Object.values(hashMap).find((series) => series.labels === labels) as Series
}

/** As in OpenTelemetry's semantic conventions. */
const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'CONNECT', 'TRACE'])
