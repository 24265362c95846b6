import { parseArgs } from 'node:util'
import { auditLog, ConfigError, createLogger, readConfig } from '@cqrs/service-kit'
import Type from 'typebox'
import { Config } from '../config.ts'
import { addNextKey, pruneKeys, switchToNextKey } from './key-rotation.ts'

/**
 * `pnpm keys:rotate`: another key signs access tokens from now on, while the services run. Where their files are copies
 * that take their time to arrive, as those of Kubernetes, the steps are done one by one (docs/operations.md).
 */
const usage = `usage: pnpm keys:rotate [STEP]
  next      makes the next key and publishes its public half
  switch    the next key signs; the former one's public half stays until its tokens are gone
  prune     takes out the public keys whose tokens are gone
without a step: all of them`

const { positionals } = parseArgs({ allowPositionals: true })
const [step] = positionals
const steps = ['next', 'switch', 'prune']
if (positionals.length > 1 || (step !== undefined && !steps.includes(step))) fail(usage)

const { JWT_SIGNING_KEY_FILE: signingKeyFile, JWKS_FILE: jwksFile } = readConfig(
  Type.Pick(Config, ['JWT_SIGNING_KEY_FILE', 'JWKS_FILE']),
)
const files = { signingKeyFile, jwksFile }
const audit = auditLog(createLogger('rotate-keys', 'info', process.stderr))
const action = `rotate-keys${step ? `-${step}` : ''}`
try {
  if (!step || step === 'next') console.log(`next key ${await addNextKey(files)}, published`)
  if (!step || step === 'switch') {
    await switchToNextKey(files, new Date())
    console.log('it signs now')
  }
  if (!step || step === 'prune') {
    const gone = await pruneKeys(files, new Date())
    console.log(`public keys taken out: ${gone.length === 0 ? 'none' : gone.join(', ')}`)
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
