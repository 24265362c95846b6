import fc from 'fast-check'

/** Strings that are known to break software. */
const texts = [
  '',
  ' ',
  '\0',
  'a\0b',
  '\u{feff}x',
  '\u{202e}txt',
  '\ud800',
  'x\udfffy',
  'é'.normalize('NFD'),
  '\u{1f468}\u{200d}\u{1f469}',
  'İ',
  '$where',
  '$ne',
  '{"$gt":""}',
  '[$ne]',
  '__proto__',
  'constructor',
  'toString',
  "' OR '1'='1",
  '"; return true; var x="',
  '../../etc/passwd',
  '%00',
  '%2e%2e%2f',
  '<script>alert(1)</script>',
  '$' + '{7*7}{{7*7}}',
  'a\r\nSet-Cookie: x=1',
  'true',
  'null',
  'undefined',
  'NaN',
  '-0',
  '1e999',
  '0x10',
  '9007199254740993',
  '٣',
  'x'.repeat(129),
  'x'.repeat(255),
  'x'.repeat(5_000),
  '\u{1f600}'.repeat(200),
  `${'a'.repeat(64)}@${'b.'.repeat(100)}com`,
  'a@b',
  'a@-b.com',
  `${'a.'.repeat(2_000)}!`,
]
export const hostileText = fc.oneof(fc.constantFrom(...texts), fc.string({ unit: 'binary', maxLength: 60 }))

/** Values of every type, including MongoDB operators and prototype keys. */
export const hostileValue: fc.Arbitrary<unknown> = fc.oneof(
  hostileText,
  fc.constantFrom(null, true, false, 0, -1, 1.5, 1e308, -1e308, 2 ** 53, 5e-324, [], {}),
  fc.constantFrom<unknown>(
    { $ne: null },
    { $gt: '' },
    { $regex: '.*' },
    { $where: 'sleep(1000)' },
    { $in: ['admin'] },
    { toString: 'x' },
    { length: 1e9 },
    { constructor: { prototype: { isAdmin: true } } },
    [[[[[[]]]]]],
    ['admin'],
    ['buyer', 'buyer'],
    ['buyer', { $ne: 1 }],
  ),
  fc.jsonValue({ maxDepth: 4 }),
)

/** Names that a body or query string should not have. */
export const hostileName = fc.oneof(
  fc.constantFrom(
    '__proto__',
    'constructor',
    'prototype',
    'hasOwnProperty',
    '$where',
    '$set',
    'isActive',
    'isAdmin',
    'passwordHash',
    '_id',
    'id',
    'version',
    'outbox',
    'deletedAt',
    'limit[$gt]',
    'limit[]',
    'a.b',
    '',
    'toJSON',
    'tokensFromVersion',
  ),
  hostileText,
)

/** Strings that are not JSON, or JSON on which parsers disagree. */
export const hostileJson: fc.Arbitrary<Buffer> = fc.oneof(
  fc
    .constantFrom(
      '',
      ' ',
      '{',
      '}',
      '[',
      '{"email":',
      '{"email":"a@b.co",}',
      "{'email':'a@b.co'}",
      '{email:1}',
      '{"a":NaN}',
      '{"a":Infinity}',
      '{"a":1e999}',
      '{"a":-}',
      '{"a":01}',
      '{"a":"\\x41"}',
      '{"a":"\\ud800"}',
      '{"email":"a@b.co","email":"c@d.co","password":"password123","password":1}',
      '{"__proto__":{"roles":["admin"]}}',
      '{"constructor":{"prototype":{"roles":["admin"]}}}',
      '{"\\u005f_proto__":1}',
      '// x\n{}',
      '{}{}',
      'null',
      'true',
      '"text"',
      '12345678901234567890123',
      '\u{feff}{}',
    )
    .map((text) => Buffer.from(text)),
  fc
    .constantFrom(1_000, 5_000, 8_000)
    .chain((depth) =>
      fc.constantFrom(
        Buffer.from('['.repeat(depth)),
        Buffer.from('['.repeat(depth) + ']'.repeat(depth)),
        Buffer.from(`${'{"a":'.repeat(depth / 4)}1${'}'.repeat(depth / 4)}`),
      ),
    ),
  fc.constantFrom(
    Buffer.from('{"email":"a@b.co"}', 'utf16le'),
    Buffer.from([0xff, 0xfe, 0x7b, 0x7d]),
    Buffer.from([0x7b, 0x22, 0x61, 0x22, 0x3a, 0x22, 0xc0, 0x80, 0x22, 0x7d]),
    Buffer.from([0x7b, 0x22, 0x61, 0x22, 0x3a, 0x22, 0xff, 0x22, 0x7d]),
    Buffer.from([0x1f, 0x8b, 0x08, 0x00]),
  ),
  fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes)),
)

export const hostilePath = fc.oneof(
  fc.constantFrom(
    '/',
    '//',
    '/.',
    '/..',
    '/%2e%2e/',
    '/..%2f..%2fhealthz',
    '/%00',
    '%00',
    '%',
    '%zz',
    '%c0%80',
    '%ff',
    '%E0%A4%A',
    ';x=1',
    '/;/',
    '?',
    '??',
    '#x',
    '\\',
    '/\\..\\',
    '/x'.repeat(500),
    'a'.repeat(300),
    'a'.repeat(20_000),
    '/$ne',
    '/{"$gt":""}',
    '[$ne]=1',
    '/constructor',
    '/__proto__',
    '.json',
    '/%F0%9F%98%80',
  ),
  fc.webPath().map((path) => path || '/'),
)

export const hostileQuery = fc.oneof(
  fc.tuple(hostileName, hostileText).map(([name, value]) => `${encode(name)}=${encode(value)}`),
  fc
    .tuple(fc.constantFrom('limit', 'offset', 'cursor', 'role', 'id'), hostileText)
    .map(([name, value]) => `${name}=${encode(value)}`),
  fc.constantFrom(
    'limit=1&limit=2',
    'limit[$ne]=1',
    'limit[]=1',
    'limit=%zz',
    '&&&',
    '=',
    '=1',
    '%',
    'limit',
    `limit=${'9'.repeat(400)}`,
    Array.from({ length: 1_000 }, (_, i) => `p${i}=1`).join('&'),
    '__proto__[admin]=1',
    'access_token=x',
  ),
)

/** Percent-encoded as UTF-8; a lone surrogate, which UTF-8 cannot encode, as invalid bytes. */
const encode = (text: string): string => encodeURIComponent(text.toWellFormed()).replaceAll('%EF%BF%BD', '%ED%A0%80')

/** Header values, which cannot contain line breaks. */
export const hostileHeaderValue = hostileText.map((text) =>
  Buffer.from(text.replaceAll(/[\r\n\0]/g, '~').slice(0, 3_000)).toString('latin1'),
)
