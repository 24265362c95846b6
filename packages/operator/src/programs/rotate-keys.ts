import { parseArgs } from 'node:util'
import { auditLog, ConfigError, createLogger, readConfig } from '@cqrs/service-kit'
import { KeySettings } from '../config.ts'
import { addNextKey, pruneKeys, switchToNextKey } from './key-rotation.ts'

/**
 * `npm run keys:rotate`: replaces the key that signs access tokens, while the services run. If the services have copies
 * of the files that arrive later, as in Kubernetes, run the steps one by one (docs/operations.md).
 */
const usage = `usage: npm run keys:rotate -- [STEP]
  next      creates the next key and publishes its public half
  switch    makes the next key the signing key; keeps the public half of the previous one
  prune     removes the public keys whose tokens have expired
without a step: all of them`

const { positionals } = parseArgs({ allowPositionals: true })
const [step] = positionals
const steps = ['next', 'switch', 'prune']
if (positionals.length > 1 || (step !== undefined && !steps.includes(step))) fail(usage)

const { JWT_SIGNING_KEY_FILE: signingKeyFile, JWKS_FILE: jwksFile } = readConfig(KeySettings)
const files = { signingKeyFile, jwksFile }
const audit = auditLog(createLogger('rotate-keys', 'info', process.stderr))
const action = `rotate-keys${step ? `-${step}` : ''}`
try {
  if (!step || step === 'next') console.log(`published next key ${await addNextKey(files)}`)
  if (!step || step === 'switch') {
    await switchToNextKey(files, new Date())
    console.log('switched to the next key')
  }
  if (!step || step === 'prune') {
    const removed = await pruneKeys(files, new Date())
    console.log(`removed public keys: ${removed.length === 0 ? 'none' : removed.join(', ')}`)
  }
  audit({ action, outcome: 'success' })
} catch (error) {
  audit({ action, outcome: 'failure' })
  if (!(error instanceof ConfigError) && !(error instanceof Error && 'syscall' in error)) throw error
  fail(`error: ${error.message}`)
}

function fail(message: string): never {
  console.error(message)
  process.exit(1)
}
