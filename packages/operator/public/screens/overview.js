import { json } from '../api.js'
import { count, number, rate, seconds } from '../format.js'
import { Sparkline } from '../sparkline.js'
import { Badge, Button, CommandToCopy, html, kindOf, page, Table, Time } from '../ui.js'

/** @import { ComponentChildren } from 'preact' */
/** @import { Consumer, Replica, State } from '../types.js' */
/** @import { ScreenProps } from '../ui.js' */

/** What is wrong, and the flow from command to read model. @param {ScreenProps} props */
export function Overview({ live }) {
  const { state, history } = live
  if (!state) return html`<p class="quiet">Waiting for the operator process…</p>`
  const { replicas, outbox, consumers } = state
  /** @param {string} name @param {string} label */
  const lineOf = (name, label) =>
    html`<${Sparkline} times=${history.times} values=${history.series[name] ?? []} label=${label} />`
  return html`<${Problems} state=${state} />
    <section aria-labelledby="flow">
      <h2 id="flow">Flow</h2>
      <ol class="flow">
        <${Step} title="Commands" about="command-api" badge=${readiness(replicas, 'command-api')}>
          <p class="figure">${rate(history.series['rate']?.at(-1))} <span>new events</span></p>
          ${lineOf('rate', 'New events a second')}
        <//>
        <${Step} title="Outbox" about="events to publish" badge=${publishing(outbox)}>
          <p class="figure"><a href="#/outbox">${number(outbox.users)}</a>${' '}
            <span>${outbox.users === 1 ? 'user' : 'users'} waiting</span></p>
          ${lineOf('outbox', 'Users in the outbox')}
        <//>
        <${Step} title="Stream and projector" about="events to read models and mail"
          badge=${readiness(replicas, 'projector')}>
          <ul class="consumers">${consumers.map(
            (one) => html`<${Lag} key=${one.consumer} consumer=${one}
              line=${lineOf(one.consumer, `Events that wait for ${one.consumer}`)} />`,
          )}</ul>
        <//>
        <${Step} title="Queries" about="query-api" badge=${readiness(replicas, 'query-api')}>
          <p class="figure">${number(users(state))} <span>users in the read model</span></p>
        <//>
      </ol>
    </section>
    <section class="panel"><${Processes} replicas=${replicas} /></section>`
}

/** @param {{ state: State }} props */
const Problems = ({ state: { problems } }) =>
  problems.length === 0
    ? html`<p class="panel"><${Badge} kind="good">Everything is well.<//></p>`
    : html`<section class="panel problems" aria-labelledby="problems">
        <h2 id="problems">${count(problems.length, 'problem')}</h2>
        <ul>${problems.map(
          ({ text, remedy }) =>
            html`<li key=${kindOf(text)}><${Badge} kind="bad">${text}<//> <${Remedy} text=${remedy} /></li>`,
        )}</ul>
      </section>`

/** The screen that does what a command does. */
const screens = new Map([
  ['dlq', 'dead-letters'],
  ['rebuild', 'read-models'],
  ['verify', 'read-models'],
  ['shape', 'read-models'],
])

/** A button where this console can do it, and the command. @param {{ text: string }} props */
function Remedy({ text }) {
  const [, name = '', consumer = ''] = /npm run projector -- (\w+) ?(\S*)/.exec(text) ?? []
  const screen = screens.get(name)
  return html`<span class="remedy">
    ${name === 'resume' && html`<${Button} kind="small" run=${() => resume(consumer)}>Resume ${consumer}<//>`}
    ${screen && html`<a class="button small" href=${`#/${screen}`}>Open ${screen.replace('-', ' ')}</a>`}
    ${name ? html`<${CommandToCopy} text=${text} />` : text}
  </span>`
}

/** @param {{ title: string, about: string, badge: ComponentChildren, children?: ComponentChildren }} props */
const Step = ({ title, about, badge, children }) =>
  html`<li class="panel"><h3>${title}</h3><p class="quiet">${about}</p><p>${badge}</p>${children}</li>`

/** @param {{ consumer: Consumer, line: ComponentChildren }} props */
function Lag({ consumer: { consumer, events, oldestSeconds, pausedUntil, ...about }, line }) {
  const { handledPerSecond, isWell } = about
  const deadLetters = about.deadLetters ?? 0
  const isOld = (oldestSeconds ?? 0) >= 1
  const waiting = `${number(events)} waiting${isOld ? `, oldest ${seconds(oldestSeconds)}` : ''}`
  const state = isWell ? 'follows' : events === null ? 'unknown' : isOld ? 'behind' : 'follows'
  return html`<li>
    <div><strong>${consumer}</strong><p>${waiting}</p></div>
    ${line}
    <div><p>${rate(handledPerSecond)}</p>
      ${
        deadLetters > 0 &&
        html`<p><a href=${`#/dead-letters?consumer=${consumer}`}>${count(deadLetters, 'dead letter')}</a></p>`
      }</div>
    <div class="end">${
      pausedUntil
        ? html`<${Badge} kind="warn">paused until <${Time} at=${pausedUntil} /><//>
          <${Button} kind="small" label=${`Resume ${consumer}`} run=${() => resume(consumer)}>Resume<//>`
        : html`<${Badge} kind=${state === 'follows' ? 'good' : 'bad'}>${state}<//>
          <${Button} kind="small" label=${`Pause ${consumer}`} run=${() => askToPause(consumer)}>Pause…<//>`
    }</div>
  </li>`
}

/** @param {{ replicas: Replica[] }} props */
const Processes = ({ replicas }) => html`<${Table} caption="Processes"
  head=${['Service', 'State', 'Version', 'Host and process', 'What is wrong']}
  rows=${replicas.map(({ service, status, version = '–', replica = '–', down = [], missing = [], reasons = [] }) => {
    const wrong = [...down.map((part) => `${part} is down`), ...missing, ...reasons].join('; ')
    return html`<tr key=${`${service} ${replica}`}>
      <th scope="row">${service}</th>
      <td><${Badge} kind=${status === 'ready' ? 'good' : status === 'degraded' ? 'warn' : 'bad'}>${status}<//></td>
      <td>${version}</td><td>${replica}</td><td>${wrong}</td></tr>`
  })} />`

/** @param {Replica[]} replicas @param {string} service */
function readiness(replicas, service) {
  const all = replicas.filter((one) => one.service === service && one.replica)
  const ready = all.filter(({ status }) => status === 'ready').length
  if (all.length === 0) return html`<${Badge} kind="bad">no answer<//>`
  const kind = ready === all.length ? 'good' : ready > 0 ? 'warn' : 'bad'
  return html`<${Badge} kind=${kind}>${ready} of ${all.length} ready<//>`
}

/** @param {State['outbox']} outbox */
const publishing = ({ isWell, oldestSeconds }) =>
  isWell
    ? html`<${Badge} kind="good">publishes<//>`
    : html`<${Badge} kind="bad">stands still, oldest ${seconds(oldestSeconds)}<//>`

/** @param {State} state */
const users = ({ readModels }) => readModels.find((one) => one.readModel === 'users_read' && one.isLive)?.documents

/** @param {string} consumer */
async function resume(consumer) {
  await json('POST', `/operator/consumers/${consumer}/resume`)
  page.announce(`${consumer} gets events again.`)
}

/** @param {string} consumer */
const askToPause = (consumer) =>
  page.ask({
    title: `Pause ${consumer}?`,
    text: 'It gets no events for an hour, or until you resume it. They wait in the stream, and none is lost.',
    action: 'Pause for an hour',
    run: async () => {
      await json('POST', `/operator/consumers/${consumer}/pause`, { minutes: 60 })
      return `${consumer} is paused.`
    },
  })
