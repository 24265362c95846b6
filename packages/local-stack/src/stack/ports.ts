import { freePort, isFree } from '../ports.ts'

/** The port of each part of the system, and the environment variable that changes it. */
const parts = {
  gateway: { variable: 'GATEWAY_PORT', port: 8080 },
  'command-api': { variable: 'COMMAND_API_PORT', port: 8081 },
  'query-api': { variable: 'QUERY_API_PORT', port: 8082 },
  projector: { variable: 'PROJECTOR_PORT', port: 8083 },
  operator: { variable: 'OPERATOR_PORT', port: 8084 },
  mongodb: { variable: 'MONGODB_PORT', port: 27117 },
  'mongodb-read': { variable: 'MONGODB_READ_PORT', port: 27118 },
  nats: { variable: 'NATS_PORT', port: 4322 },
  smtp: { variable: 'SMTP_PORT', port: 1025 },
  'mail-web': { variable: 'MAIL_WEB_PORT', port: 1080 },
} as const

export type PortName = keyof typeof parts
/** 0 means any free port. */
export type Ports = Record<PortName, number>

const names = Object.keys(parts) as PortName[]

/** Every part on a free port: for tests. */
export const anyPorts = Object.fromEntries(names.map((name) => [name, 0])) as Ports

/** The ports that the environment asks for. @throws with one line that names every invalid value */
export function readPorts(environment: NodeJS.ProcessEnv): Ports {
  const values = names.map((name) => [name, environment[parts[name].variable] || String(parts[name].port)] as const)
  const wrong = values.filter(([, value]) => !/^\d{1,5}$/.test(value) || Number(value) > 65_535)
  if (wrong.length > 0) {
    const list = wrong.map(([name, value]) => `${parts[name].variable}=${value}`).join(', ')
    throw new Error(`not a port number (0 to 65535; 0 means any free port): ${list}`)
  }
  const ports = Object.fromEntries(values.map(([name, value]) => [name, Number(value)])) as Ports
  const doubled = names.filter(
    (name) => ports[name] && names.some((other) => other !== name && ports[other] === ports[name]),
  )
  if (doubled.length > 0)
    throw new Error(`the same port is set more than once: ${doubled.map((name) => describe(name, ports)).join(', ')}`)
  return ports
}

/**
 * Replaces each 0 with a free port, and checks that the other ports are free.
 * @param unused ports that nothing will listen on
 * @throws with one line that names every port in use
 */
export async function claimPorts(wanted: Ports, unused: readonly PortName[] = []): Promise<Ports> {
  const ports = { ...wanted }
  const taken: PortName[] = []
  for (const name of names.filter((name) => !unused.includes(name))) {
    if (ports[name] === 0) ports[name] = await unusedPort(ports)
    else if (!(await isFree(ports[name]))) taken.push(name)
  }
  if (taken.length > 0) {
    const list = taken.map((name) => describe(name, ports)).join(', ')
    throw new Error(`ports in use: ${list}. Stop the processes that use them, or set these variables to other ports`)
  }
  return ports
}

async function unusedPort(ports: Ports): Promise<number> {
  const port = await freePort()
  return Object.values(ports).includes(port) ? unusedPort(ports) : port
}

function describe(name: PortName, ports: Ports): string {
  return `${ports[name]} (${parts[name].variable})`
}
