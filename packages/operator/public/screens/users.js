import { command, ownId, Problem, query, request } from '../api.js'
import { count } from '../format.js'
import { Badge, Button, html, Loading, page, problemFrom, Table, Time } from '../ui.js'

/** @import { User } from '../types.js' */
/** @typedef {{ users?: User[], total?: number | null, next?: string | null, user?: User, etag?: string | null,
 *   isBehind?: boolean }} Data */
/** @typedef {{ user: User, etag?: string | null | undefined, after: () => Promise<void> }} DetailProps */

/** What can be listed. A text is searched with the parameter `search`, and found in the order of what matched. */
const lists = {
  newest: { name: 'Newest first', path: '/api/v1/users?', search: 'q' },
  name: { name: 'By name', path: '/api/v1/users?sort=name&', search: '' },
  changed: { name: 'Last changed', path: '/api/v1/directory/users?', search: 'word' },
  active: { name: 'Active', path: '/api/v1/users?isActive=true&', search: 'q' },
  inactive: { name: 'Inactive', path: '/api/v1/users?isActive=false&', search: 'q' },
  buyer: { name: 'Buyers', path: '/api/v1/users/by-role/buyer?', search: '' },
  seller: { name: 'Sellers', path: '/api/v1/users/by-role/seller?', search: '' },
  admin: { name: 'Admins', path: '/api/v1/users/by-role/admin?', search: '' },
}

/** @type {Record<string, string>} */
const hints = { q: 'The beginning of a name or e-mail address, or an id', word: 'A word of either, or an id' }

/** @param {URLSearchParams} params */
const listOf = (params) => lists[/** @type {keyof typeof lists} */ (params.get('list') ?? 'newest')] ?? lists.newest

/** Users: lists, search, and one user. @extends {Loading<Data>} */
export class Users extends Loading {
  get key() {
    const { id, params } = this.props.route
    return id || `?${params}`
  }

  async load() {
    const { id, params } = this.props.route
    if (id) {
      const { body, etag, isBehind } = await query(`/api/v1/users/${encodeURIComponent(id)}`)
      return { user: body, etag, isBehind }
    }
    const { path, search } = listOf(params)
    const asked = new URLSearchParams({ limit: '25' })
    const [text, cursor] = [params.get('q'), params.get('cursor')]
    if (text && search) asked.set(search, text)
    if (cursor) asked.set('cursor', cursor)
    const { body, isBehind } = await query(path + asked)
    return { users: body.data, total: body.pagination.total, next: body.pagination.nextCursor, isBehind }
  }

  render() {
    const { data: { users, total, next, user, etag, isBehind } = {} } = this.state
    const { id, params } = this.props.route
    return html`
      ${id ? html`<p><a href="#/users">All users</a></p>` : html`<${Search} key=${params} params=${params} />`}
      ${this.failure}
      ${
        isBehind &&
        html`<p><${Badge} kind="warn">The read model is behind, and may not show your last change yet.<//></p>`
      }
      ${
        id && user?.id === id && html`<${Detail} key=${user.version} user=${user} etag=${etag} after=${this.refresh} />`
      }
      ${!id && users && html`<${List} users=${users} total=${total} next=${next} params=${params} />`}`
  }
}

/** @param {{ params: URLSearchParams }} props */
function Search({ params }) {
  const { search } = listOf(params)
  const list = params.get('list') ?? 'newest'
  /** @param {Event} event */
  const submit = (event) => {
    event.preventDefault()
    const form = new FormData(/** @type {HTMLFormElement} */ (event.currentTarget))
    const text = String(form.get('q') ?? '').trim()
    const asked = new URLSearchParams({ list: String(form.get('list')), ...(text && { q: text }) })
    location.hash = /^[\da-f]{8}-[\da-f-]{27}$/.test(text) ? `#/users/${text}` : `#/users?${asked}`
  }
  /** @param {Event} event */
  const choose = (event) => {
    if (event.target instanceof HTMLSelectElement) event.target.form?.requestSubmit()
  }
  return html`<form class="panel search" role="search" onSubmit=${submit} onChange=${choose}>
    <label>Show <select name="list">${Object.entries(lists).map(
      ([value, { name }]) => html`<option value=${value} selected=${value === list}>${name}</option>`,
    )}</select></label>
    <label class="wide">Search <input name="q" type="search" value=${params.get('q') ?? ''} disabled=${!search}
      maxlength="100" autocomplete="off" aria-describedby="hint" /></label>
    <button class="primary" disabled=${!search}>Search</button>
    <p class="quiet" id="hint">${hints[search] ?? 'This list cannot be searched.'}</p>
  </form>`
}

/** @param {Pick<Data, 'total' | 'next'> & { users: User[], params: URLSearchParams }} props */
function List({ users, total, next, params }) {
  const after = new URLSearchParams([...params].filter(([name]) => name !== 'cursor'))
  if (next) after.set('cursor', next)
  return html`<section class="panel">
    <${Table} caption=${total == null ? 'Users' : count(total, 'user')} none="No user is found."
      head=${['Name', 'E-mail address', 'Roles', 'State', 'Registered']}
      rows=${users.map(
        (user) => html`<tr key=${user.id}>
          <th scope="row"><a href=${`#/users/${user.id}`}>${user.name}</a></th>
          <td>${user.email}</td><td>${user.roles.join(', ')}</td><td><${Active} user=${user} /></td>
          <td><${Time} at=${user.createdAt} /></td></tr>`,
      )} />
    <p class="buttons">
      ${params.has('cursor') && html`<${Button} run=${() => history.back()}>Previous page<//>`}
      ${next && html`<a class="button" href=${`#/users?${after}`}>Next page</a>`}
    </p>
  </section>`
}

/** @param {{ user: User }} props */
const Active = ({ user: { isActive } }) =>
  html`<${Badge} kind=${isActive ? 'good' : 'none'}>${isActive ? 'active' : 'inactive'}<//>`

/** @param {DetailProps} props */
function Detail({ user, etag, after }) {
  const { id, name, email, isActive, createdAt, updatedAt, version } = user
  return html`<section class="panel">
    <h2>${name}</h2>
    <dl>
      <dt>E-mail address</dt><dd>${email}</dd>
      <dt>State</dt><dd><${Active} user=${user} />${id === ownId() && ' This is you.'}</dd>
      <dt>Id</dt><dd><code>${id}</code></dd>
      <dt>Registered</dt><dd><${Time} at=${createdAt} /></dd>
      <dt>Last change</dt><dd><${Time} at=${updatedAt} />, version ${version}</dd>
    </dl>
    <div class="buttons">${
      isActive
        ? html`<${Button} kind="danger" run=${() => askTo('deactivate', user, after)}>Deactivate…<//>
          <${Button} run=${() => askToEndSessions(user, after)}>End all sessions…<//>`
        : html`<${Button} kind="primary" run=${() => askTo('activate', user, after)}>Activate…<//>`
    }</div>
    <h3>Change</h3>
    <${Edit} user=${user} etag=${etag} after=${after} />
  </section>`
}

/** @param {DetailProps} props */
function Edit({ user: { id, name, roles }, etag, after }) {
  const save = async () => {
    const form = /** @type {HTMLFormElement} */ (document.getElementById('edit'))
    if (!form.reportValidity()) return
    const values = new FormData(form)
    const body = { name: values.get('name'), roles: values.getAll('role') }
    try {
      await command('PUT', `/api/v1/users/${id}`, { body, headers: etag ? { 'if-match': etag } : {} })
    } catch (error) {
      if (problemFrom(error).status !== 412) throw error
      await after()
      throw new Problem({ title: 'Somebody else has changed this user. Look at it and make your change again.' })
    }
    page.announce('The change is saved.')
    await after()
  }
  return html`<form id="edit" class="edit" onSubmit=${(/** @type {Event} */ event) => event.preventDefault()}>
    <label>Name <input name="name" defaultValue=${name} required maxlength="100" autocomplete="off" /></label>
    <fieldset><legend>Roles</legend>${['buyer', 'seller', 'admin'].map(
      (role) => html`<label><input type="checkbox" name="role" value=${role}
        defaultChecked=${roles.includes(role)} /> ${role}</label>`,
    )}</fieldset>
    <${Button} kind="primary" run=${save}>Save<//>
  </form>`
}

/** @param {'activate' | 'deactivate'} action @param {User} user @param {() => Promise<void>} after */
function askTo(action, { id, name, email }, after) {
  const isActivation = action === 'activate'
  const own = id === ownId() ? ' This is you: you are logged out, here as well.' : ''
  page.ask({
    title: `${isActivation ? 'Activate' : 'Deactivate'} ${name}?`,
    text: isActivation
      ? `${email} can log in again.`
      : `All sessions and access tokens of ${email} end now, and nobody can log in to this account.${own}`,
    action: isActivation ? 'Activate' : 'Deactivate',
    isDangerous: !isActivation,
    run: async () => {
      await command('POST', `/api/v1/users/${id}/${action}`)
      await after()
      return isActivation ? `${name} is active.` : `${name} is inactive. All sessions have ended.`
    },
  })
}

/** The API ends those of another user only by a deactivation. @param {User} user @param {() => Promise<void>} after */
function askToEndSessions({ id, name, email }, after) {
  const isOwn = id === ownId()
  page.ask({
    title: `End all sessions of ${name}?`,
    text: isOwn
      ? 'You are logged out everywhere, here as well.'
      : `${email} has to log in again everywhere. This deactivates the account and at once activates it again.`,
    action: 'End all sessions',
    isDangerous: true,
    run: async () => {
      if (isOwn) await request('POST', '/api/v1/auth/logout-all')
      else for (const step of ['deactivate', 'activate']) await command('POST', `/api/v1/users/${id}/${step}`)
      await after()
      return `All sessions of ${name} have ended.`
    },
  })
}
