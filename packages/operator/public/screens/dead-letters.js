import { json } from '../api.js'
import { count } from '../format.js'
import { Button, everyFiveSeconds, html, Loading, page, Table, Time } from '../ui.js'

/** @import { DeadLetter } from '../types.js' */
/** @typedef {{ seq?: number, consumer?: string, reason?: string }} Which */

/** All letters, or one with its content.
 * @extends {Loading<{ letters?: DeadLetter[], more?: boolean, letter?: DeadLetter }>} */
export class DeadLetters extends Loading {
  get key() {
    const { id, params } = this.props.route
    return id || `${everyFiveSeconds()}?${params}`
  }

  async load() {
    const { id, params } = this.props.route
    if (id) return { letter: await json('GET', `/operator/dead-letters/${id}`) }
    const { data, more } = await json('GET', `/operator/dead-letters?${params}`)
    return { letters: data, more }
  }

  show = async () => {
    const letter = await json('GET', `/operator/dead-letters/${this.props.route.id}?unmasked=true`)
    this.setState({ data: { letter } })
  }

  render() {
    const { data: { letters, more, letter } = {} } = this.state
    const { id, params } = this.props.route
    return html`
      ${
        id || params.size > 0
          ? html`<p><a href="#/dead-letters">All dead letters</a></p>`
          : html`<p>Messages that a consumer can never handle. They hold nothing up.</p>`
      }
      ${this.failure}
      ${id && letter && html`<${Letter} letter=${letter} onShow=${this.show} />`}
      ${!id && letters && html`<${List} letters=${letters} more=${more} after=${this.refresh} />`}`
  }
}

/** @param {{ letters: DeadLetter[], more: boolean | undefined, after: () => void }} props */
function List({ letters, more, after }) {
  const groups = Map.groupBy(letters, ({ consumer, reason }) => `${consumer} ${reason}`)
  return html`
    <section class="panel"><${Table} caption="By consumer and reason" none="No dead letters."
      head=${['Consumer', 'Reason', 'Letters', 'Oldest', 'Newest', 'Actions']}
      rows=${[...groups].map(([name, group]) => {
        const { consumer = '', reason = '' } = group[0] ?? {}
        const times = group.map(({ time }) => time).sort()
        const what = `“${reason}” of ${consumer}`
        return html`<tr key=${name}>
          <th scope="row">${consumer}</th>
          <td><a href=${`#/dead-letters?${new URLSearchParams({ consumer, reason })}`}>${reason}</a></td>
          <td>${times.length}${more && ' or more'}</td>
          <td><${Time} at=${times[0]} /></td><td><${Time} at=${times.at(-1)} /></td>
          <td><${Actions} which=${{ consumer, reason }} what=${what} after=${after} /></td></tr>`
      })} /></section>
    ${
      letters.length > 0 &&
      html`<section class="panel"><${Table} caption=${`${more ? 'The first ' : ''}${count(letters.length, 'letter')}`}
        head=${['Number', 'Time', 'Consumer', 'Reason', 'Subject']}
        rows=${letters.map(
          ({ seq, time, consumer, reason, originalSubject }) => html`<tr key=${seq}>
            <th scope="row"><a href=${`#/dead-letters/${seq}`}>${seq}</a></th>
            <td><${Time} at=${time} /></td><td>${consumer}</td><td>${reason}</td>
            <td><code>${originalSubject}</code></td></tr>`,
        )} /></section>`
    }`
}

/** @param {{ letter: DeadLetter, onShow: () => Promise<void> }} props */
function Letter({ letter, onShow }) {
  const { seq, time, consumer, reason, detail, originalSubject, originalSeq, content = '' } = letter
  const back = () => {
    location.hash = '#/dead-letters'
  }
  return html`<section class="panel">
    <h2>Dead letter ${seq}</h2>
    <dl>
      <dt>Reason</dt><dd><strong>${reason}</strong>${detail && html`<br />${detail.replace(`${reason}: `, '')}`}</dd>
      <dt>Consumer</dt><dd>${consumer}</dd>
      <dt>Set aside</dt><dd><${Time} at=${time} /></dd>
      <dt>Message</dt><dd><code>${originalSubject}</code>, number ${originalSeq} of the stream</dd>
    </dl>
    <div class="actions">
      <p><${Actions} which=${{ seq }} what=${`letter ${seq}`} after=${back} /></p>
      <${Button} kind="small" run=${() => askToShow(seq, onShow)}>Show personal data…<//>
    </div>
    <h3 id="content">Content</h3>
    <pre tabindex="0" aria-labelledby="content">${indented(content)}</pre>
  </section>`
}

/** @param {{ which: Which, what: string, after: () => void }} props */
const Actions = ({ which, what, after }) => html`<span class="buttons">
  <${Button} kind="small" label=${`Replay ${what}`} run=${() => ask('replay', which, what, after)}>Replay…<//>
  <${Button} kind="small" label=${`Drop ${what}`} run=${() => ask('drop', which, what, after)}>Drop…<//></span>`

/** @param {'replay' | 'drop'} action @param {Which} which @param {string} what @param {() => void} after */
function ask(action, which, what, after) {
  const isReplay = action === 'replay'
  const done = isReplay ? 'replayed' : 'dropped'
  page.ask({
    title: `${isReplay ? 'Replay' : 'Drop'} ${what}?`,
    text: isReplay
      ? 'The original messages are published again. What still cannot be handled comes back here.'
      : 'The letters are deleted. What their events changed is missing in the read model until it is repaired.',
    prepare: async () => {
      const { matching } = await json('POST', `/operator/dead-letters/${action}`, { ...which, dryRun: true })
      return `Dry run: ${count(matching, 'letter')} would be ${done}.`
    },
    action: isReplay ? 'Replay' : 'Drop',
    isDangerous: !isReplay,
    run: async () => {
      const answer = await json('POST', `/operator/dead-letters/${action}`, which)
      after()
      return `${count(answer[done], 'letter')} ${done}.`
    },
  })
}

/** @param {number} seq @param {() => Promise<void>} onShow */
const askToShow = (seq, onShow) =>
  page.ask({
    title: 'Show personal data?',
    text: `The content of letter ${seq} is shown with names and e-mail addresses. The audit records that you looked.`,
    action: 'Show',
    run: async () => {
      await onShow()
      return 'Personal data is shown.'
    },
  })

/** @param {string} content */
function indented(content) {
  try {
    return JSON.stringify(JSON.parse(content), null, 2)
  } catch {
    return content
  }
}
