import { html } from './ui.js'
import { Component, createRef } from './vendor/preact.js'
import uPlot from './vendor/uplot.js'

const height = 32

/**
 * A line of the last minutes. A screen reader gets its last and highest value instead.
 * @typedef {{ times: number[], values: (number | null)[], label: string }} Props
 * @extends {Component<Props>}
 */
export class Sparkline extends Component {
  #place = createRef()
  #plot = /** @type {uPlot | undefined} */ (undefined)
  #resized = new ResizeObserver(([entry]) => {
    if (entry) this.#plot?.setSize({ width: Math.floor(entry.contentRect.width), height })
  })

  componentDidMount() {
    const place = this.#place.current
    const colour = () => getComputedStyle(place).color
    this.#plot = new uPlot(
      {
        width: place.clientWidth,
        height,
        padding: [3, 1, 3, 1],
        legend: { show: false },
        cursor: { show: false },
        axes: [{ show: false }, { show: false }],
        scales: { x: { time: false }, y: { range: (_, __, most) => [0, Math.max(most, 1)] } },
        series: [{}, { stroke: colour, width: 1.5, points: { show: false } }],
      },
      this.#data,
      place,
    )
    this.#resized.observe(place)
  }

  componentDidUpdate() {
    this.#plot?.setData(this.#data)
  }

  componentWillUnmount() {
    this.#resized.disconnect()
    this.#plot?.destroy()
  }

  /** @returns {uPlot.AlignedData} */
  get #data() {
    const { times, values } = this.props
    return [times, values]
  }

  render() {
    const { values, label } = this.props
    const known = values.filter((value) => value !== null)
    const most = known.reduce((most, value) => Math.max(most, value), 0)
    const text = `${label}, last five minutes: now ${known.at(-1) ?? 'unknown'}, at most ${Math.round(most)}`
    return html`<div class="sparkline" ref=${this.#place} role="img" aria-label=${text}></div>`
  }
}
