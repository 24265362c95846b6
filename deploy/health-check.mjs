// Whether the service in this container is ready, by its own word: exit code 0 or 1. For `HEALTHCHECK`; the port is that
// of the service's settings.
import { Config } from './dist/config.js'

const port = process.env.PORT || Config.properties.PORT.default
const isReady = await fetch(`http://127.0.0.1:${port}/readyz`).then(
  ({ ok }) => ok,
  () => false,
)
process.exit(isReady ? 0 : 1)
