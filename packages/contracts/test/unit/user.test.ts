import t from 'tap'
import type { TSchema } from 'typebox'
import Value from 'typebox/value'
import { Email, Name, normaliseEmail, Password, Roles, Timestamp, UserId } from '../../src/index.ts'

const label = 'a'.repeat(63)

check('Email', Email, {
  good: {
    plain: 'user@example.com',
    'upper case': 'User@Example.COM',
    'a plus address': 'user+tag@example.com',
    'all that the local part may hold': "a.!#$%&'*+/=?^_`{|}~-Z9@example.com",
    'an internationalised domain': 'user@bücher.de',
    'a local part of 64': `${'a'.repeat(64)}@example.com`,
    'three labels': 'user@mail.example.com',
    'a label with digits and a hyphen': 'user@x-1.example.com',
    'a label of one letter': 'user@x.co',
    'an internationalised domain in its ASCII form': 'user@xn--mnchen-3ya.example',
    '254 characters': address(254),
  },
  bad: {
    nothing: '',
    'no at': 'user.example.com',
    'nothing before the at': '@example.com',
    'nothing after the at': 'user@',
    'two ats': 'user@one@example.com',
    'one label': 'user@localhost',
    'a domain that ends in a dot': 'user@example.com.',
    'an empty label': 'user@example..com',
    'a label that starts with a hyphen': 'user@-x.example.com',
    'a label that ends with a hyphen': 'user@x-.example.com',
    'a label of 64': `user@${'a'.repeat(64)}.com`,
    'an address of the network': 'user@127.0.0.1',
    'an address of the network in brackets': 'user@[127.0.0.1]',
    'a local part of 65': `${'a'.repeat(65)}@example.com`,
    '255 characters': address(255),
    'a blank': 'us er@example.com',
    'a blank in front': ' user@example.com',
    'a line end': 'user@example.com\n',
    'a second header': 'user@example.com\r\nBcc: other@example.com',
    'a NUL': 'user\0@example.com',
    'a name with it': 'User <user@example.com>',
    'two of them': 'a@example.com,b@example.com',
    'quoted local part': '"us er"@example.com',
    'letters beyond ASCII': 'usér@example.com',
    'two dots in the local part': 'a..b@example.com',
    'a dot first': '.a@example.com',
    'a dot last': 'a.@example.com',
    'a domain of symbols': 'user@☃.example',
    'a dotless i from elsewhere': 'ad\u0131@example.com',
    'no text': 5,
  },
})

check('Name', Name, {
  good: {
    plain: 'John Doe',
    'one letter': 'X',
    'letters from everywhere': 'Ægir 李小龍 מַשֶּׁהוּ',
    'a family of emoji': '👩‍👩‍👧‍👦',
    'an apostrophe': 'O’Brien',
    'what others take for code': "<b>$ne</b> {{x}} '; DROP--",
    'blanks around it': ' Jo ',
    '100 letters': 'x'.repeat(100),
    '100 letters beyond the basic plane': '𝒳'.repeat(100),
  },
  bad: {
    nothing: '',
    'blanks alone': '   ',
    'blanks of all kinds': '\u00a0\u2003\u3000',
    'a tab': 'John\tDoe',
    'a line end': 'John\nDoe',
    'a line end last': 'John\n',
    'a NUL': 'John\0',
    'a control character of the second block': 'John\u0085',
    'half of a surrogate pair, which UTF-8 cannot hold': 'John\ud800',
    'no character': 'John\uffff',
    'a line separator': 'John\u2028Doe',
    'a paragraph separator': 'John\u2029Doe',
    'a reversal of direction': 'John \u202egpj.eoD',
    'an isolate of direction': 'John \u2067Doe',
    'a mark of direction': 'John\u200f',
    'a zero-width space alone': '\u200b',
    'a filler alone': '\u3164',
    'a blank pattern of Braille alone': '\u2800',
    'a soft hyphen alone': '\u00ad',
    '101 letters': 'x'.repeat(101),
    '101 letters beyond the basic plane': '𝒳'.repeat(101),
    '101 accents on one letter': `x${'\u0301'.repeat(100)}`,
    'no text': 5,
    null: null,
  },
})

check('Password', Password, {
  good: {
    '8 characters': '12345678',
    '128 characters': 'x'.repeat(128),
    'blanks alone': ' '.repeat(8),
    'a NUL and line ends': 'a\0b\nc\rd\te',
    'letters from everywhere': 'пароль123',
    emoji: '🐴🔋📎✂️12345',
  },
  bad: {
    nothing: '',
    '7 characters': '1234567',
    '129 characters': 'x'.repeat(129),
    'a number': 12345678,
    'half a surrogate pair': '1234567\udfff',
  },
})

check('Roles', Roles, {
  good: { one: ['buyer'], two: ['seller', 'buyer'], 'all of them': ['buyer', 'seller', 'admin'] },
  bad: { none: [], twice: ['buyer', 'buyer'], unknown: ['owner'], 'another case': ['Buyer'], text: 'buyer' },
})

check('UserId', UserId, {
  good: { 'version 7': '019a6f0c-3b5e-7c21-9d52-6b1f0e8a4c37' },
  bad: {
    'version 4': '019a6f0c-3b5e-4c21-9d52-6b1f0e8a4c37',
    'another variant': '019a6f0c-3b5e-7c21-cd52-6b1f0e8a4c37',
    'upper case': '019A6F0C-3B5E-7C21-9D52-6B1F0E8A4C37',
    'a line end': '019a6f0c-3b5e-7c21-9d52-6b1f0e8a4c37\n',
    'more before it': 'x019a6f0c-3b5e-7c21-9d52-6b1f0e8a4c37',
    'no hyphens': '019a6f0c3b5e7c219d526b1f0e8a4c37',
  },
})

check('Timestamp', Timestamp, {
  good: { 'as toISOString makes it': new Date().toISOString(), 'without a fraction': '2026-11-23T09:30:00Z' },
  bad: {
    'a date': '2026-11-23',
    'another zone': '2026-11-23T09:30:00+01:00',
    'no zone': '2026-11-23T09:30:00',
    'month 13': '2026-13-01T00:00:00Z',
    'hour 24': '2026-11-23T24:00:00Z',
    nothing: '',
  },
})

t.test('an address has one form, whatever the case and the script of its domain', async (t) => {
  t.equal(normaliseEmail('User@BÜCHER.de'), 'user@xn--bcher-kva.de')
  t.equal(normaliseEmail('user@xn--bcher-kva.de'), 'user@xn--bcher-kva.de')
  for (const text of ['', '@', 'user', 'user@ü/@example.com'])
    t.equal(normaliseEmail(text), text, 'other text stays as it is')
  t.equal(normaliseEmail('User+Tag@Example.COM'), 'user+tag@example.com')
  t.equal(normaliseEmail(normaliseEmail('User@Example.COM')), 'user@example.com')
})

function check(name: string, schema: TSchema, { good, bad }: Record<'good' | 'bad', Record<string, unknown>>): void {
  t.test(name, async (t) => {
    for (const [what, value] of Object.entries(good)) t.ok(Value.Check(schema, value), `accepts ${what}`)
    for (const [what, value] of Object.entries(bad)) t.notOk(Value.Check(schema, value), `refuses ${what}`)
  })
}

/** An address of this length, valid otherwise. */
function address(length: number): string {
  const domain = `${label}.${label}.${label}.com`
  return `${'a'.repeat(length - domain.length - 1)}@${domain}`
}
