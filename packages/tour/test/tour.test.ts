import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { eventually, programOf, readRunning } from '@cqrs/local-stack'
import { freshEnvironment, npmStart } from '@cqrs/local-stack/testing'
import { MongoClient } from 'mongodb'
import t from 'tap'

t.setTimeout(300_000)

const tour = fileURLToPath(new URL('../dist/main.js', import.meta.url))
const status = fileURLToPath(new URL('../../local-stack/dist/status.js', import.meta.url))
const operator = programOf('operator', 'cli').args.at(-1) ?? ''
const env = await freshEnvironment(t)

t.test('it says what is missing, and does nothing', async (t) => {
  t.match(await startTour().ended, { code: 1, output: `error: nothing runs in ${env.DATA_DIR}: run \`npm start\`` })
  for (const wrong of [
    ['--commands', '5'],
    ['--commands', 'x'],
    ['--step', '3'],
  ])
    t.match(await startTour(...wrong).ended, { code: 1, output: /^error: usage: npm run tour/ }, wrong.join(' '))
})

let mailUrl = ''
t.test('with a running system', async (t) => {
  await npmStart(t, env)
  const running = await readRunning(env.DATA_DIR)
  if (running === undefined || running === 'starting') throw new Error('nothing runs')
  mailUrl = `http://localhost:${running.ports['mail-web']}/api/email`

  await t.test('it refuses a system whose databases are elsewhere', async (t) => {
    const file = join(env.DATA_DIR, 'env/command-api.env')
    const settings = await readFile(file, 'utf8')
    await writeFile(file, settings.replace(/^MONGODB_URI=.*$/m, "MONGODB_URI='mongodb://db.example.com/users'"))
    t.match(await startTour().ended, { code: 1, output: /^error: the databases .* are not on this machine/ })
    await writeFile(file, settings)
  })

  await t.test('if it is killed, what it has stopped continues', async (t) => {
    const killed = startTour('--no-wait')
    const pid = await killed.says(/the projector is stopped +process (\d+)/)
    await killed.says(/the answer of POST/)
    killed.child.kill('SIGKILL')
    await killed.ended
    await eventually(async () => !(await isStopped(pid)))
    t.notSame(await leftovers(), [], 'its user is left, for the next tour')
  })

  await t.test('after Ctrl-C what it has stopped continues, and everything is put back', async (t) => {
    const interrupted = startTour('--no-wait', '--commands', '300')
    const pid = await interrupted.says(/NATS is stopped +process (\d+)/)
    t.ok(await isStopped(pid))
    interrupted.child.kill('SIGINT')
    t.match(await interrupted.ended, { code: 130, output: /Stopping.*\n\nPutting everything back\n.* ready\n/s })
    t.notOk(await isStopped(pid))
    t.strictSame(await leftovers(), [])
    t.equal((await run(status)).code, 0)
  })

  await t.test('each step shows what it promises, and everything is put back', async (t) => {
    const { code, output } = await startTour('--no-wait', '--commands', '20').ended
    if (code !== 0) t.comment(output)
    t.equal(code, 0)
    const parts = output.split(/^(?=\d\/8 {2})/m)
    const facts: [title: string, facts: RegExp[]][] = [
      ['A command and its event', [/message \d+ of the stream USERS/, /type: 'UserCreated'/, /users_read +not yet/]],
      ['A command and its event', [/isBuyer: true/, /welcome e-mail +Welcome/]],
      ['The lag', [/users_read_v1 .* {2}0$/m, /lag back to 0 +\d+ ms/, /until visible +\d+ ms/]],
      ['Read your writes', [/without the token +lacks the user/, /with the token +has the user/]],
      ['The projector dies', [/[1-9]\d* commands and \d+ queries answered/, /lag back to 0/, /changes lost +0\n/]],
      [
        'NATS hangs',
        [/commands answered +20,/, /in the outbox +[1-9]/, /degraded/, /outbox empty/, /changes lost +0\n/],
      ],
      ['A poison event', [/dead letters +4: /, /unknown-type +users_read_v1/, /dropped .* 4; left: 0\n/]],
      ['A rebuild under load', [/which is live now/, /[1-9]\d* queries and .* 0 failed/, /changes lost +0\n/]],
      ['An erasure', [/2 events on .*updated/, /1 event on .*deleted/, /deletedAt: /, /hold its address +0\n/]],
    ]
    for (const [title, expected] of facts) {
      const part = parts.find((one) => one.startsWith(`${one[0]}/8  ${title}\n`)) ?? ''
      for (const fact of expected) t.match(part, fact, title)
    }
    t.strictSame(await leftovers(), [])
    t.match(await run(operator, 'dlq', 'list'), { output: /0 dead letters/ })
    t.equal((await run(status)).code, 0)
  })
})

function startTour(...args: string[]) {
  const child = spawn(process.execPath, [tour, ...args], { env: { ...process.env, ...env } })
  t.teardown(() => child.kill('SIGKILL'))
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
      child.emit('said')
    })
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, output }))
  /** Waits until it has said this. @returns the number in it */
  const says = async (text: RegExp): Promise<number> => {
    for (;;) {
      const found = text.exec(output)
      if (found) return Number(found[1])
      const end = await Promise.race([ended, once(child, 'said').then(() => undefined)])
      if (end) throw new Error(`it ended with ${end.code}: ${end.output}`)
    }
  }
  return { child, ended, says }
}

/** What the tour has registered and not deleted: addresses of users and of e-mails. */
async function leftovers(): Promise<string[]> {
  const found: string[] = []
  for (const uri of [env['MONGODB_URI'] ?? '', env['MONGODB_READ_URI'] ?? '']) {
    const client = new MongoClient(uri)
    for (const { name } of await client.db().listCollections({}, { nameOnly: true }).toArray())
      found.push(
        ...(await client
          .db()
          .collection(name)
          .distinct('email', { email: /@tour\.example$/ })),
      )
    await client.close()
  }
  const mails = (await (await fetch(mailUrl)).json()) as { to: { address: string }[] }[]
  const recipients = mails.flatMap(({ to }) => to.map(({ address }) => address))
  return [...found, ...recipients.filter((address) => address.endsWith('@tour.example'))]
}

async function isStopped(pid: number): Promise<boolean> {
  const { output } = await execute('ps', ['-o', 'stat=', '-p', String(pid)])
  return output.startsWith('T')
}

/** Runs a program with the settings that `npm start` has written for the operator. */
async function run(program: string, ...args: string[]) {
  return execute(process.execPath, [`--env-file=${join(env.DATA_DIR, 'env/operator.env')}`, program, ...args])
}

function execute(command: string, args: string[]): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    execFile(command, args, { env: { ...process.env, ...env } }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, output: stdout + stderr }),
    )
  })
}
