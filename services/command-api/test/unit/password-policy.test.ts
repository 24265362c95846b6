import t from 'tap'
import { passwordPolicy } from '../../src/domain/password-policy.ts'
import { commonPasswords } from '../../src/sign-in/common-passwords.ts'

const refuse = passwordPolicy('cqrs-user-service', commonPasswords)
const owner = { email: 'jane.miller@example.com', name: 'Jane Müller' }

for (const password of [
  'password123',
  'PassWord123',
  '1234567890',
  'qwertyuiop',
  'iloveyou1',
  'jane.miller1',
  'JaneMiller2026',
  'example.com',
  'müller1990',
  'cqrs-user-service',
  'Service!2026',
]) {
  t.test(`${password} is refused`, async (t) =>
    t.throws(() => refuse(password, owner), { code: 'password-too-common' }),
  )
}

for (const password of [
  'correct horse battery',
  'jane likes long walks',
  'wkh4t!x2',
  '        ',
  'пароль на весь год',
  '🐎🔋📎🐎🔋📎🐎🔋',
]) {
  t.test(`${password} is taken`, async (t) => t.doesNotThrow(() => refuse(password, owner)))
}
