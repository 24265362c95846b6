import { json } from '../api.js'
import { Badge, everyFiveSeconds, html, Loading, Table, Time } from '../ui.js'

/** @typedef {{ at: string, actor: string, actor_id?: string, action: string, outcome: string }} Action */

/** What operators did, here and with the command line. @extends {Loading<{ data: Action[] }>} */
export class Audit extends Loading {
  get key() {
    return everyFiveSeconds()
  }

  load() {
    return json('GET', '/operator/actions')
  }

  render() {
    const { data } = this.state
    return html`
      <p>What operators did, here and with the command line: the last 1,000 actions, newest first.</p>
      ${this.failure}
      ${
        data &&
        html`<section class="panel"><${Table} caption="Actions" none="Nothing yet."
          head=${['Time', 'Who', 'Action', 'Outcome', 'Details']} rows=${data.data.map(row)} /></section>`
      }`
  }
}

/** Unknown while it runs, and for ever if its process died. @type {Map<string, 'good' | 'bad'>} */
const kinds = new Map([
  ['success', 'good'],
  ['failure', 'bad'],
])

/** @param {Action} action */
const row = ({ at, actor, actor_id, action, outcome, ...details }) => html`<tr key=${`${at} ${action}`}>
  <td><${Time} at=${at} /></td>
  <td>${actor_id ? html`<a href=${`#/users/${actor_id}`}>${actor}</a>` : actor}</td>
  <th scope="row">${action}</th>
  <td><${Badge} kind=${kinds.get(outcome) ?? 'none'}>${outcome}<//></td>
  <td>${Object.entries(details).map(
    ([name, value]) => html`<span class="quiet">${name}</span> <code>${textOf(value)}</code> `,
  )}</td>
</tr>`

/** @param {unknown} value */
const textOf = (value) => (typeof value === 'string' ? value : JSON.stringify(value))
