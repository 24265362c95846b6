import { lookup } from 'node:dns/promises'

/** Libraries retry their downloads silently for seconds. @throws within 2 s if the name of the host is unknown */
export async function requireHost(host: string): Promise<void> {
  const patience = AbortSignal.timeout(2_000)
  await Promise.race([
    lookup(host),
    new Promise((_, reject) => patience.addEventListener('abort', () => reject(new Error('no response from DNS')))),
  ])
}
