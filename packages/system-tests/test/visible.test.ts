import t from 'tap'
import { startSystem } from './system.ts'

t.test('how long it takes from the 201 until a query returns the user', async (t) => {
  const { send, newUser } = await startSystem(t)
  const { token } = await newUser()
  const register = () =>
    send('POST', '/api/v1/auth/register', {
      email: `${crypto.randomUUID()}@example.com`,
      password: 'password123',
      name: 'Jo',
      roles: ['buyer'],
    })

  const lags: number[] = []
  for (let i = 0; i < 40; i++) {
    const { body } = await register()
    const acknowledgedAt = performance.now()
    while ((await send('GET', `/api/v1/users/${body.id}`, undefined, token)).status !== 200) {
      if (performance.now() - acknowledgedAt > 5_000) throw new Error('not visible after 5 s')
    }
    if (i >= 10) lags.push(performance.now() - acknowledgedAt) // the first ones warm up
  }
  lags.sort((a, b) => a - b)
  const quantile = (q: number) => lags[Math.ceil(q * lags.length) - 1]?.toFixed(1)
  t.equal(lags.length, 30)
  t.comment(`from 201 to visible: p50 ${quantile(0.5)} ms, max ${quantile(1)} ms over ${lags.length} registrations`)
})
