import { Problem } from './api.js'
import { time } from './format.js'
import htm from './vendor/htm.js'
import { Component, h } from './vendor/preact.js'

/** @import { ComponentChildren } from 'preact' */
/** @import { Live } from './live.js' */
/** @import { Question, Route } from './types.js' */

export const html = htm.bind(h)

/** @typedef {{ live: Live, route: Route, tick: number }} ScreenProps `tick` counts the changes of `live` */

/** What screens ask of the page around them. */
export const page = {
  /** Shows a message, and has screen readers read it. @type {(text: string) => void} */
  announce: () => {},
  /** Asks before a change. @type {(question: Question) => void} */
  ask: () => {},
}

/** @param {unknown} error @returns {Problem} */
export const problemFrom = (error) =>
  error instanceof Problem ? error : new Problem({ title: 'Something went wrong in this page.', detail: `${error}` })

/** A part of the key of what changes by itself. Updates of the live state let a screen look at it. */
export const everyFiveSeconds = () => `${Math.floor(Date.now() / 5_000)}`

/** What a problem's text says apart from its figures, which change every second. @param {string} text */
export const kindOf = (text) => text.replaceAll(/\d+/g, '')

const icons = { good: '✓', warn: '▲', bad: '✕', none: '–' }

/** A state in words, with an icon and a colour.
 * @param {{ kind: keyof typeof icons, children?: ComponentChildren }} props */
export const Badge = ({ kind, children }) =>
  html`<span class=${`badge ${kind}`}><span aria-hidden="true">${icons[kind]}</span> ${children}</span>`

/** @param {{ problem: Problem | undefined }} props */
export const Failure = ({ problem }) =>
  problem &&
  html`<div class="failure" role="alert">
    <strong>${problem.title}</strong>
    ${problem.detail && html`<p>${problem.detail}</p>`}
    ${problem.instance && html`<p class="quiet">Request <code>${problem.instance}</code></p>`}
  </div>`

/** @param {{ at: string | number | Date | null | undefined }} props */
export const Time = ({ at }) =>
  at ? html`<time datetime=${new Date(at).toISOString()} title=${new Date(at).toISOString()}>${time(at)}</time>` : '–'

/**
 * A table that scrolls by itself on a narrow screen.
 * @param {{ caption: string, head: string[], rows: unknown[], none?: string }} props `rows`: one `<tr>` each
 */
export const Table = ({ caption, head, rows, none = 'None.' }) => html`
  <div class="scroll" tabindex="0" role="region" aria-label=${caption}>
    <table>
      <caption><h2>${caption}</h2></caption>
      <thead><tr>${head.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
      <tbody>${rows.length > 0 ? rows : html`<tr><td class="quiet" colspan=${head.length}>${none}</td></tr>`}</tbody>
    </table>
  </div>`

/**
 * A button that is disabled while what it started runs, and shows why it failed.
 * @typedef {{ run: () => unknown, kind?: string, label?: string, disabled?: boolean,
 *   children?: ComponentChildren }} ButtonProps
 * @extends {Component<ButtonProps, { isRunning: boolean, problem: Problem | undefined }>}
 */
export class Button extends Component {
  state = { isRunning: false, problem: undefined }

  run = async () => {
    this.setState({ isRunning: true, problem: undefined })
    try {
      await this.props.run()
    } catch (error) {
      this.setState({ problem: problemFrom(error) })
    } finally {
      this.setState({ isRunning: false })
    }
  }

  render() {
    const { kind = '', label, disabled = false, children } = this.props
    const { isRunning, problem } = this.state
    return html`<button type="button" class=${kind} aria-label=${label} disabled=${disabled || isRunning}
      onClick=${this.run}>${children}</button><${Failure} problem=${problem} />`
  }
}

/** A command to run in a terminal. @param {{ text: string }} props */
export const CommandToCopy = ({ text }) => html`<span class="command"><code>${text}</code>
  <${Button} kind="small" label=${`Copy ${text}`} run=${async () => {
    await navigator.clipboard.writeText(text)
    page.announce('Copied.')
  }}>Copy<//></span>`

/**
 * Asks before a change, says what it will do, and stays open with the reason if it is refused.
 * @extends {Component<{ question: Question, onClose: () => void },
 *   { found: string | undefined, isRunning: boolean, problem: Problem | undefined }>}
 */
export class Dialog extends Component {
  state = { found: this.props.question.prepare ? undefined : '', isRunning: false, problem: undefined }

  /** @param {HTMLDialogElement | null} dialog */
  open = (dialog) => {
    if (dialog && !dialog.open) dialog.showModal()
  }

  async componentDidMount() {
    try {
      const found = await this.props.question.prepare?.()
      if (found !== undefined) this.setState({ found })
    } catch (error) {
      this.setState({ problem: problemFrom(error) })
    }
  }

  /** @param {Event} event */
  confirm = async (event) => {
    event.preventDefault()
    this.setState({ isRunning: true, problem: undefined })
    try {
      page.announce(await this.props.question.run())
      this.props.onClose()
    } catch (error) {
      this.setState({ isRunning: false, problem: problemFrom(error) })
    }
  }

  render() {
    const { question, onClose } = this.props
    const { found, isRunning, problem } = this.state
    const { title, text, action, isDangerous } = question
    return html`<dialog ref=${this.open} aria-labelledby="question" aria-describedby="effect"
      onClose=${onClose} onCancel=${(/** @type {Event} */ event) => isRunning && event.preventDefault()}>
      <form onSubmit=${this.confirm}>
        <h2 id="question">${title}</h2>
        <p id="effect">${text}</p>
        ${question.prepare && !problem && html`<p role="status">${found ?? 'Looking…'}</p>`}
        <${Failure} problem=${problem} />
        <div class="actions">
          <button type="button" disabled=${isRunning} onClick=${onClose}>Cancel</button>
          <button class=${isDangerous ? 'danger' : 'primary'} disabled=${isRunning || found === undefined}>
            ${isRunning ? 'Running…' : action}
          </button>
        </div>
      </form>
    </dialog>`
  }
}

/**
 * A screen that loads what it shows, at first and whenever `key` changes. It shows what it had while it loads again.
 * @template T
 * @extends {Component<ScreenProps, { data?: T, problem?: Problem | undefined }>}
 */
export class Loading extends Component {
  #loaded = ''
  #isLoading = false

  /** What the data depend on. */
  get key() {
    return ''
  }

  /** @returns {Promise<T>} */
  async load() {
    throw new Error('not implemented')
  }

  render() {
    return /** @type {ComponentChildren} */ (null)
  }

  componentDidMount() {
    void this.refresh()
  }

  componentDidUpdate() {
    if (this.key !== this.#loaded && !this.#isLoading) void this.refresh()
  }

  get failure() {
    const { problem } = this.state
    return problem && html`<${Failure} problem=${problem} /><p><${Button} run=${this.refresh}>Try again<//></p>`
  }

  refresh = async () => {
    const key = this.key
    this.#isLoading = true
    this.#loaded = key
    const state = await this.load().then(
      (data) => ({ data, problem: undefined }),
      (error) => ({ problem: problemFrom(error) }),
    )
    this.#isLoading = false
    // Something else may be asked for by now; then it is loaded next.
    this.setState(state)
  }
}
