import Type from 'typebox'
import { logLevels } from './logger.ts'

/** What every process can be told about its log, metrics and traces. OpenTelemetry's SDK reads its other variables. */
export const telemetrySettings = {
  METRICS_PORT: Type.Optional(
    Type.Integer({ minimum: 0, maximum: 65535, description: 'Separate port for `/metrics` (default: PORT)' }),
  ),
  LOG_LEVEL: Type.Enum([...logLevels], { default: 'info', description: 'Minimum log level' }),
  OTEL_EXPORTER_OTLP_ENDPOINT: Type.Optional(
    Type.Refine(
      Type.String({
        description: 'Receiver of traces over OTLP/HTTP, as in http://localhost:4318 (default: no traces)',
      }),
      (url) => /^https?:\/\//.test(url) && URL.canParse(url),
      () => 'must be a URL such as http://localhost:4318',
    ),
  ),
}
