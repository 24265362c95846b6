import { json, linesOf, request } from '../api.js'
import { count, number, seconds } from '../format.js'
import { Badge, Button, html, page, Table, Time } from '../ui.js'
import { Component } from '../vendor/preact.js'

/** @import { Finding, Question, Shape, State } from '../types.js' */
/** @import { ScreenProps } from '../ui.js' */

const mostFindings = 200

/**
 * Shapes of read models: how far they are, what differs, rebuilds and switches.
 * @typedef {{ findings: string[], found: number, isRunning: boolean }} ComparisonState
 * @extends {Component<ScreenProps, ComparisonState>}
 */
export class ReadModels extends Component {
  /** @type {ComparisonState} */
  state = { findings: [], found: 0, isRunning: false }

  #running = /** @type {Map<string, string>} */ (new Map())

  /** Says how a rebuild ended that was running. */
  componentDidUpdate() {
    const shapes = this.props.live.state?.readModels ?? []
    for (const { shape, collection, rebuild } of shapes) {
      const before = this.#running.get(shape)
      if (rebuild) this.#running.set(shape, before ?? collection)
      else if (this.#running.delete(shape))
        page.announce(`${shape}: ${collection === before ? 'the rebuild is given up' : `rebuilt, in ${collection}`}.`)
    }
  }

  /** @param {{ repair?: boolean, allowDeletions?: number }} options */
  compare = async (options) => {
    this.setState({ findings: [], found: 0, isRunning: true })
    try {
      for await (const line of linesOf(await request('POST', '/operator/comparison', { body: options })))
        if (line) this.take(JSON.parse(line))
    } finally {
      this.setState({ isRunning: false })
    }
  }

  /** @param {Finding} finding */
  take(finding) {
    const text = inWords(finding)
    this.setState(({ findings, found }) => ({ findings: [...findings, text].slice(-mostFindings), found: found + 1 }))
    if (finding.isWhole !== undefined) page.announce(text)
  }

  render() {
    const { state } = this.props.live
    if (!state) return html`<p class="quiet">Waiting for the operator process…</p>`
    const held = Math.max(0, ...state.readModels.map(({ held }) => held ?? 0))
    const { findings, found, isRunning } = this.state
    return html`
      <p>Each read model is filled in one or more shapes. Queries read the one that is live.</p>
      <section class="panel"><${Shapes} state=${state} /></section>
      <section class="panel">
        <h2>Comparison with the write side</h2>
        <p>Compares every user in every shape with the write database. A repair publishes those again that differ.</p>
        <div class="buttons">
          <${Button} kind="primary" disabled=${isRunning} run=${() => this.compare({})}>Compare<//>
          <${Button} disabled=${isRunning} run=${() => this.askToRepair(0)}>Compare and repair…<//>
          ${
            held > 0 &&
            html`<${Button} kind="danger" disabled=${isRunning}
              run=${() => this.askToRepair(held)}>Repair, with ${count(held, 'deletion')}…<//>`
          }
        </div>
        ${
          (isRunning || found > 0) &&
          html`<div role="log" aria-label="Findings" tabindex="0" class="findings">
            ${found > mostFindings && html`<p>The last ${mostFindings} of ${number(found)} lines:</p>`}
            ${findings.map((text) => html`<p>${text}</p>`)}
            ${isRunning && html`<p class="quiet">Comparing…</p>`}
          </div>`
        }
      </section>`
  }

  /** @param {number} deletions */
  askToRepair(deletions) {
    page.ask({
      title: 'Repair what differs?',
      text: deletions
        ? 'Publishes every user again that differs, and deletes from the read models up to ' +
          `${count(deletions, 'user')} that the write side does not know. Make sure that it is the right database.`
        : 'Publishes every user again that differs, and deletes at most a few that the write side does not know.',
      action: 'Repair',
      isDangerous: deletions > 0,
      run: async () => {
        void this.compare({ repair: true, ...(deletions && { allowDeletions: deletions }) })
        return 'The comparison has begun.'
      },
    })
  }
}

/** @param {{ state: State }} props */
const Shapes = ({ state: { readModels, consumers } }) => html`<${Table} caption="Shapes"
  head=${['Shape', 'State', 'Documents', 'Lag', 'Comparison', 'Actions']}
  rows=${readModels.map((one) => {
    const { shape, collection, isLive, isWritten, condition, documents, differing, held, comparedAt, rebuild } = one
    const { events, oldestSeconds } = consumers.find(({ consumer }) => consumer === shape) ?? {}
    const progress = rebuild && html`<${Progress} shape=${shape} rebuild=${rebuild} />`
    return html`<tr key=${shape}>
      <th scope="row">${shape}<br /><code class="quiet">${collection}</code></th>
      <td><${Badge} kind=${isLive ? 'good' : 'none'}>${isLive ? 'live' : condition}<//>
        ${!isWritten && html`<br /><span class="quiet">not filled by this release</span>`}</td>
      <td>${number(documents)}</td>
      <td>${count(events, 'event')}<br /><span class="quiet">${events ? seconds(oldestSeconds) : ''}</span></td>
      <td>${
        comparedAt
          ? html`<${Badge} kind=${differing ? 'bad' : 'good'}>${count(differing, 'difference')}<//>
            <br /><span class="quiet"><${Time} at=${comparedAt} /></span>`
          : 'not yet'
      }${held ? html`<br /><${Badge} kind="warn">${count(held, 'deletion')} held<//>` : ''}</td>
      <td><${Actions} shape=${one} all=${readModels} /></td>
    </tr>
    ${progress && html`<tr key=${`${shape} rebuild`}><td colspan="6">${progress}</td></tr>`}`
  })} />`

/** @param {{ shape: string, rebuild: { filled: number, total: number } }} props */
const Progress = ({ shape, rebuild: { filled, total } }) => html`<label class="progress">Rebuild of ${shape}
  <progress max=${total || 1} value=${total ? filled : undefined}></progress>
  <span>${count(filled, 'user')}${total ? ` of ${number(total)}, ${Math.floor((100 * filled) / total)} %` : ''}</span>
</label>`

/** @param {{ shape: Shape, all: Shape[] }} props */
function Actions({ shape: { shape, readModel, isLive, isWritten, condition, rebuild }, all }) {
  const path = `/operator/read-models/${shape}`
  const others = all.filter((one) => one.readModel === readModel && one.shape !== shape)
  const now = others.find(({ isLive }) => isLive)?.shape
  /** @param {boolean} isOffered @param {string} name @param {Omit<Question, 'action'>} question */
  const action = (isOffered, name, question) =>
    isOffered &&
    html`<${Button} kind="small" label=${`${name} ${isLive && name === 'Roll back' ? readModel : shape}`}
      run=${() => page.ask({ ...question, action: name })}>${name}…<//>`
  return html`<span class="buttons">
    ${action(rebuild !== null, 'Abandon', {
      title: `Abandon the rebuild of ${shape}?`,
      text: 'What it has filled is deleted. Queries are not affected: they read the collection from before.',
      isDangerous: true,
      run: async () => {
        const { abandoned } = await json('DELETE', `${path}/rebuild`)
        return abandoned ? `The rebuild into ${abandoned} is abandoned.` : 'No rebuild was running.'
      },
    })}
    ${action(isWritten && !rebuild, 'Rebuild', {
      title: `Rebuild ${shape}?`,
      text: 'Fills a new collection from the write database and then switches to it. Queries are not interrupted.',
      run: async () => {
        await json('POST', `${path}/rebuild`)
        return `The rebuild of ${shape} has begun.`
      },
    })}
    ${action(!isLive && condition === 'filled', 'Switch to', {
      title: `Switch ${readModel} to ${shape}?`,
      text: `Queries then read ${shape} instead of ${now ?? 'no other'}. “Roll back” undoes it.`,
      run: async () => switched(await json('POST', `${path}/switch`)),
    })}
    ${action(isLive && others.length > 0, 'Roll back', {
      title: `Roll ${readModel} back?`,
      text: `Queries then read the shape again that was live before ${shape}.`,
      run: async () => switched(await json('POST', `/operator/read-models/${readModel}/rollback`)),
    })}
    ${action(!isLive && condition !== 'dropped' && !rebuild, 'Drop', {
      title: `Drop ${shape}?`,
      text: 'Its collections are deleted within some minutes. A rebuild fills it again.',
      isDangerous: true,
      run: async () => {
        await json('DELETE', path)
        return `${shape} is dropped.`
      },
    })}
  </span>`
}

/** @param {{ readModel: string, shape: number, before?: number, ms: number }} answer */
const switched = ({ readModel, shape, before, ms }) =>
  `Queries of ${readModel} read shape ${shape}; before, ${before ?? 'none'} (${ms} ms).`

/** @param {Finding} finding */
function inWords({ shape, id, kind, readVersion, writeVersion, sum, by = 0, users, differing, held, ...rest }) {
  const { published, left, condition, error, isWhole } = rest
  if (isWhole !== undefined) return isWhole ? 'Every read model is as the write side.' : 'Something differs.'
  if (id) return `${shape}: ${kind} ${id}, read ${readVersion ?? 'none'}, write ${writeVersion ?? 'none'}`
  if (sum) return `${shape}: wrong sum ${sum}, too ${by > 0 ? 'low' : 'high'} by ${Math.abs(by)}`
  if (users !== undefined) return `${shape}: ${count(users, 'user')} compared, ${number(differing)} differ`
  if (held !== undefined) return `${shape}: ${count(held, 'deletion')} held: the write side does not know these users`
  if (published !== undefined) return `${shape}: ${count(published, 'event')} published`
  if (left !== undefined) return `${shape}: ${number(left)} differ after the repair`
  return `${shape}: ${error ?? condition}`
}
