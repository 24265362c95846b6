// What is tried on this page is sent to the server that the page comes from, as the user who logs in at its top. The
// examples are filled in with what that user has, so that they succeed as they stand.

/**
 * What this tab keeps. `tried` is the user whom the page has registered for trying things out.
 * @typedef {{ id: string, accessToken: string, refreshToken: string }} Session
 * @typedef {{ id: string, email: string, password: string }} Account
 * @typedef {{ email?: string, session?: Session | undefined, tried?: Account | undefined }} Kept
 */

/** @type {<Element extends HTMLElement>(id: string) => Element} */
const element = (id) => /** @type {never} */ (document.getElementById(id))
const newUser = element('new-user')
const logOut = element('log-out')
const form = /** @type {HTMLFormElement} */ (element('log-in'))

const key = 'api-reference'
/** @type {Kept} */
const kept = JSON.parse(sessionStorage.getItem(key) ?? '{}')
const description = await (await fetch('/docs/openapi.json')).text()

/** @param {Kept} change */
function keep(change) {
  Object.assign(kept, change)
  sessionStorage.setItem(key, JSON.stringify(kept))
  reference.updateConfiguration(configuration())
  showSession()
}

function showSession(problem = '') {
  const { session, email = '' } = kept
  element('who').textContent = problem || (session ? `Logged in as ${email}.` : 'Not logged in.')
  newUser.hidden = form.hidden = session !== undefined
  logOut.hidden = session === undefined
}

function configuration() {
  return {
    content: withExamples(),
    authentication: {
      preferredSecurityScheme: 'accessToken',
      securitySchemes: { accessToken: { token: kept.session?.accessToken ?? '' } },
    },
    onRequestBuilt: remember,
    onResponseReceived: learn,
    withDefaultFonts: false,
    telemetry: false,
    hideClientButton: true,
    showDeveloperTools: 'never',
    agent: { disabled: true },
    mcp: { disabled: true },
  }
}

/** The description with examples that succeed now. An optional parameter has none: it would be sent. */
function withExamples() {
  const document = JSON.parse(description)
  const { session, tried } = kept
  /** @type {Record<string, object>} */
  const bodies = {
    registerUser: { email: newAddress() },
    logIn: { email: tried?.email, password: tried?.password, deviceToken: null },
    refreshSession: { refreshToken: session?.refreshToken },
    logOut: { refreshToken: session?.refreshToken },
    changePassword: { currentPassword: tried?.password, newPassword: newPassword() },
  }
  for (const operation of Object.values(document.paths).flatMap((path) => Object.values(path))) {
    for (const parameter of operation.parameters ?? []) {
      if (!parameter.required) delete parameter.example
      else if (parameter.name === 'id') parameter.example = tried?.id ?? session?.id ?? parameter.example
    }
    const media = operation.requestBody?.content['application/json']
    if (media) {
      const given = Object.entries(bodies[operation.operationId] ?? {}).filter(([, value]) => value !== undefined)
      media.example = withoutNulls({ ...media.example, ...Object.fromEntries(given) })
    }
  }
  return document
}

/** @param {Record<string, unknown>} body */
const withoutNulls = (body) => Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null))
const newAddress = () => `${crypto.randomUUID().slice(0, 13)}@example.com`
const newPassword = () => `Lighthouse ${crypto.randomUUID().slice(0, 8)}`

/** The body of the last request. @type {Record<string, string>} */
let sent = {}

/** @param {{ request: Request }} about */
async function remember({ request }) {
  sent = await request
    .clone()
    .json()
    .catch(() => ({}))
}

/** Takes over what a request has changed. @param {{ response: Response }} about */
async function learn({ response }) {
  if (!response.ok) return
  const { pathname } = new URL(response.url)
  const { email = '', newPassword: password = '' } = sent
  const { session, tried } = kept
  if (/\/auth\/(login|refresh)$/.test(pathname)) await take(response.clone(), email)
  else if (/\/auth\/logout/.test(pathname)) keep({ session: undefined })
  else if (pathname.endsWith('/auth/register')) keep({})
  else if (pathname.endsWith('/password')) keep({ session: undefined, tried: tried && { ...tried, password } })
  else if (response.status === 204 && pathname.endsWith(`/${tried?.id}`))
    keep({ tried: undefined, session: session?.id === tried?.id ? undefined : session })
}

/** @param {string} path @param {object} body */
const post = (path, body) =>
  fetch(`/api/v1/auth/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })

/** Takes over new tokens. @param {Response} response @param {string} [email] */
async function take(response, email) {
  const { accessToken, refreshToken } = await response.json()
  const claims = atob(accessToken.split('.')[1].replaceAll('-', '+').replaceAll('_', '/'))
  const session = { id: JSON.parse(claims).sub, accessToken, refreshToken }
  keep(email ? { email, session } : { session })
}

/** @param {string} email @param {string} password */
async function logIn(email, password) {
  const response = await post('login', { email, password })
  if (response.ok) await take(response, email)
  else showSession((await response.json()).title)
}

newUser.addEventListener('click', async () => {
  const account = { email: newAddress(), password: newPassword() }
  const response = await post('register', { ...account, name: 'Jo Tester', roles: ['buyer'] })
  const user = await response.json()
  if (!response.ok) return showSession(user.title)
  kept.tried = { ...account, id: user.id }
  await logIn(account.email, account.password)
})

form.addEventListener('submit', (event) => {
  event.preventDefault()
  const { email, password } = Object.fromEntries(new FormData(form))
  form.reset()
  logIn(String(email), String(password))
})

logOut.addEventListener('click', async () => {
  await post('logout', { refreshToken: kept.session?.refreshToken })
  keep({ session: undefined })
})

const reference = window.Scalar.createApiReference('#reference', configuration())
showSession()
