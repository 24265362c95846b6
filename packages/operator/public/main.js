import { hasSession, json, logIn, logOut, onSessionEnd, Problem } from './api.js'
import { count, time } from './format.js'
import { Live } from './live.js'
import { Audit } from './screens/audit.js'
import { DeadLetters } from './screens/dead-letters.js'
import { Outbox } from './screens/outbox.js'
import { Overview } from './screens/overview.js'
import { ReadModels } from './screens/read-models.js'
import { Users } from './screens/users.js'
import { Badge, Button, Dialog, Failure, html, kindOf, page, problemFrom } from './ui.js'
import { Component, createRef, render } from './vendor/preact.js'

/** @import { Question, Route } from './types.js' */

const screens = {
  overview: { title: 'Overview', Screen: Overview },
  users: { title: 'Users', Screen: Users },
  'read-models': { title: 'Read models', Screen: ReadModels },
  'dead-letters': { title: 'Dead letters', Screen: DeadLetters },
  outbox: { title: 'Outbox', Screen: Outbox },
  audit: { title: 'Audit', Screen: Audit },
}

/** `#/users/<id>?q=…`. @returns {Route & { screen: keyof typeof screens }} */
function routeOf() {
  const [path = '', query] = location.hash.slice(2).split('?')
  const [screen = '', id = ''] = path.split('/').map(decodeURIComponent)
  return {
    screen: Object.hasOwn(screens, screen) ? /** @type {keyof typeof screens} */ (screen) : 'overview',
    id,
    params: new URLSearchParams(query),
  }
}

/** @typedef {{ phase: 'starting' | 'login' | 'refused' | 'in', message: string, question?: Question | undefined,
 *   problem?: Problem | undefined, tick: number, route: ReturnType<typeof routeOf> }} AppState
 * @extends {Component<{}, AppState>} */
class App extends Component {
  /** @type {AppState} */
  state = { phase: 'starting', message: '', tick: 0, route: routeOf() }
  live = new Live(() => this.changed())
  main = createRef()
  #problems = /** @type {Set<string>} */ (new Set())
  #forget = 0

  componentDidMount() {
    onSessionEnd.call = (message) => this.leave(message)
    page.announce = (message) => {
      clearTimeout(this.#forget)
      this.#forget = setTimeout(() => this.setState({ message: '' }), 15_000)
      this.setState({ message })
    }
    page.ask = (question) => this.setState({ question })
    addEventListener('hashchange', () => this.setState({ route: routeOf(), message: '' }, this.focusHeading))
    if (hasSession()) void this.enter()
    else this.setState({ phase: 'login' })
  }

  componentDidUpdate() {
    const { phase, route } = this.state
    document.title = `${phase === 'in' ? screens[route.screen].title : 'Log in'} – operator's console`
  }

  focusHeading = () => this.main.current?.querySelector('h1')?.focus()

  /** Only admins pass. If the operator's process does not answer, users can still be looked after. */
  enter = async () => {
    try {
      await json('GET', '/operator/status')
    } catch (error) {
      const problem = problemFrom(error)
      if (problem.status === 403) return this.setState({ phase: 'refused' })
      if (!hasSession()) return this.setState({ phase: 'login' })
    }
    this.live = new Live(() => this.changed())
    void this.live.start()
    this.setState({ phase: 'in', message: '' }, this.focusHeading)
  }

  /** @param {string} [message] */
  leave(message = '') {
    this.live.stop()
    this.#problems = new Set()
    this.setState({ phase: 'login', message, question: undefined })
  }

  logOut = async () => {
    await logOut()
    this.leave('You are logged out.')
  }

  changed() {
    const { state, isLive } = this.live
    if (this.state.phase !== 'in') return
    if (state && isLive) {
      const now = new Map(state.problems.map(({ text }) => [kindOf(text), text]))
      const others = [...now].filter(([kind]) => !this.#problems.has(kind)).map(([, text]) => text)
      if (others.length > 0) page.announce(others.join(' '))
      else if (now.size === 0 && this.#problems.size > 0) page.announce('Everything is well again.')
      this.#problems = new Set(now.keys())
    }
    this.setState(({ tick }) => ({ tick: tick + 1 }))
  }

  render() {
    const { phase, message, question } = this.state
    if (phase === 'starting') return html`<p class="page quiet">Loading…</p>`
    if (phase === 'login') return html`<${LogIn} message=${message} onEnter=${this.enter} />`
    if (phase === 'refused')
      return html`<main class="gate"><h1>Only for admins</h1>
        <p>Your account is no admin, so this console does not open for it. Another admin can give you the role.</p>
        <${Button} kind="primary" run=${this.logOut}>Log out<//></main>`
    const { route, tick } = this.state
    const { title, Screen } = screens[route.screen]
    return html`
      <a class="skip" href="#main" onClick=${(/** @type {Event} */ event) => {
        event.preventDefault()
        this.focusHeading()
      }}>Skip to the content</a>
      <header>
        <div class="bar">
          <strong>Operator's console</strong>
          <${Liveness} live=${this.live} />
          <${Button} kind="small" run=${this.logOut}>Log out<//>
        </div>
        <nav aria-label="Screens">
          ${Object.entries(screens).map(
            ([name, { title }]) =>
              html`<a href=${`#/${name}`} aria-current=${name === route.screen ? 'page' : undefined}>${title}</a>`,
          )}
        </nav>
      </header>
      <main class="page" id="main" ref=${this.main}>
        <h1 tabindex="-1">${title}</h1>
        <${Screen} key=${route.screen} live=${this.live} route=${route} tick=${tick} />
      </main>
      <div class="message" role="status">${
        message &&
        html`<p>${message}
        <${Button} kind="small" run=${() => page.announce('')}>Close<//></p>`
      }</div>
      ${
        question &&
        html`<${Dialog} key=${question.title} question=${question}
          onClose=${() => this.setState({ question: undefined })} />`
      }`
  }
}

/** @param {{ live: Live }} props */
function Liveness({ live: { state, isLive } }) {
  if (!isLive) return html`<${Badge} kind="warn">Not live${state && `; state of ${time(state.at)}`}. Connecting…<//>`
  const problems = state?.problems.length ?? 0
  return html`<a class="plain" href="#/overview">${
    problems > 0
      ? html`<${Badge} kind="bad">${count(problems, 'problem')}<//>`
      : html`<${Badge} kind="good">All is well<//>`
  }</a><span class="quiet">Live ${state && time(state.at)}</span>`
}

/** @extends {Component<{ message: string, onEnter: () => Promise<void> },
 *   { isRunning: boolean, problem: Problem | undefined }>} */
class LogIn extends Component {
  state = { isRunning: false, problem: undefined }

  /** @param {SubmitEvent} event */
  submit = async (event) => {
    event.preventDefault()
    const form = new FormData(/** @type {HTMLFormElement} */ (event.currentTarget))
    this.setState({ isRunning: true, problem: undefined })
    try {
      await logIn(String(form.get('email')), String(form.get('password')))
      await this.props.onEnter()
    } catch (error) {
      this.setState({ isRunning: false, problem: problemFrom(error) })
    }
  }

  render() {
    const { isRunning, problem } = this.state
    return html`<main class="gate">
      <h1>Operator's console</h1>
      <p>For admins of this user service.</p>
      <p role="status">${this.props.message}</p>
      <form onSubmit=${this.submit}>
        <label>E-mail address <input name="email" type="email" autocomplete="username" required autofocus /></label>
        <label>Password <input name="password" type="password" autocomplete="current-password" required /></label>
        <${Failure} problem=${problem} />
        <button class="primary" disabled=${isRunning}>${isRunning ? 'Logging in…' : 'Log in'}</button>
      </form>
    </main>`
  }
}

render(html`<${App} />`, document.body)
