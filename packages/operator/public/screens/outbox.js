import { json } from '../api.js'
import { count, seconds } from '../format.js'
import { everyFiveSeconds, html, Loading, Table, Time } from '../ui.js'

/** @extends {Loading<{ users: number | null, oldestSeconds: number | null,
 *   data: { id: string, events: number, pendingSince: string }[] }>} */
export class Outbox extends Loading {
  get key() {
    return everyFiveSeconds()
  }

  load() {
    return json('GET', '/operator/outbox')
  }

  render() {
    const { data: { users, oldestSeconds, data } = { data: undefined } } = this.state
    const waiting = users
      ? `${count(users, 'user')} waiting, the oldest ${seconds(oldestSeconds)}`
      : 'Nobody is waiting.'
    return html`
      <p>Users whose last events are stored and not yet published. Normally that takes milliseconds; while NATS is
        unavailable or full, the events wait here.</p>
      ${this.failure}
      ${
        data &&
        html`<section class="panel">
          <p>${waiting}</p>
          <${Table} caption="The oldest 100" head=${['User', 'Events', 'Since']} rows=${data.map(
            ({ id, events, pendingSince }) => html`<tr key=${id}>
              <th scope="row"><a href=${`#/users/${id}`}><code>${id}</code></a></th>
              <td>${events}</td><td><${Time} at=${pendingSince} /></td></tr>`,
          )} />
        </section>`
      }`
  }
}
