/**
 * Runs in the page, not in Node: draws every `[data-chart]` element with uPlot when it comes into view, in the colours of the
 * page, and lets the arrow keys go through its changes. Where there are more changes than columns it draws the lowest and the
 * highest of each stretch, and all of them again when somebody zooms in. Reads the element `charts` that `htmlPage` wrote, and
 * asks for nothing.
 */
;(() => {
  const element = document.getElementById('charts')
  const charts = new Map(JSON.parse(element === null ? '[]' : element.textContent).map((chart) => [chart.id, chart]))
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim()
  const drawn = new Set()

  const height = 240
  /** Narrower columns run into each other. */
  const columnPixels = 3

  const stamps = [
    [3600 * 24 * 365, '{YYYY}', null, null, null, null, null, null, 1],
    [3600 * 24 * 28, '{MMM}', '\n{YYYY}', null, null, null, null, null, 1],
    [3600 * 24, '{D} {MMM}', '\n{YYYY}', null, null, null, null, null, 1],
    [3600, '{HH}:00', '\n{D} {MMM} {YYYY}', null, '\n{D} {MMM}', null, null, null, 1],
    [60, '{HH}:{mm}', '\n{D} {MMM} {YYYY}', null, '\n{D} {MMM}', null, null, null, 1],
    [1, '{HH}:{mm}:{ss}', '\n{D} {MMM} {YYYY}', null, '\n{D} {MMM}', null, null, null, 1],
  ]
  const wholeSteps = [1, 2, 5].concat(...[1, 2, 3, 4, 5, 6, 7, 8].map((zeros) => [1, 2, 5].map((one) => one * 10 ** zeros)))

  const clockOf = (zone) => {
    const format = new Intl.DateTimeFormat('en-GB', {
      timeZone: zone,
      weekday: 'short',
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
      hourCycle: 'h23',
    })
    return (seconds) => {
      const part = Object.fromEntries(format.formatToParts(seconds * 1000).map(({ type, value }) => [type, value]))
      return `${part.weekday} ${part.year}-${part.month}-${part.day} ${part.hour}:${part.minute}:${part.second}`
    }
  }

  /** All changes: instants in seconds, the lower and the upper edge. The last value holds until the end. */
  const columnsOf = (chart) => {
    const times = []
    let at = 0
    for (const step of chart.steps) {
      at += step
      times.push(at / 1000)
    }
    const low = [...chart.low]
    const high = [...(chart.high ?? chart.low)]
    if (times.length > 0 && times[times.length - 1] < chart.untilMs / 1000) {
      times.push(chart.untilMs / 1000)
      low.push(low[low.length - 1])
      high.push(high[high.length - 1])
    }
    return [times, low, high]
  }

  /** The first index whose time is later than this. */
  const indexAfter = (times, at) => {
    let from = 0
    let until = times.length
    while (from < until) {
      const middle = (from + until) >> 1
      if (times[middle] > at) until = middle
      else from = middle + 1
    }
    return from
  }

  const lower = (one, other) => (one === null ? other : other === null ? one : Math.min(one, other))
  const higher = (one, other) => (one === null ? other : other === null ? one : Math.max(one, other))

  /** What is drawn of a range: its changes, or stretches of equal length where these are too many. The ends of all stay. */
  const viewOf = ([times, low, high], from, until, width) => {
    const first = Math.max(0, indexAfter(times, from) - 1)
    const last = Math.min(times.length - 1, indexAfter(times, until))
    const columns = Math.max(1, Math.floor(width / columnPixels))
    const view = [[], [], []]
    const add = (at, least, most) => {
      const before = view[0].length - 1
      // uPlot ends a line at its last value; ours holds until nothing is known any more.
      if (before >= 0 && ((least === null && view[1][before] !== null) || (most === null && view[2][before] !== null))) {
        view[0].push(at)
        view[1].push(view[1][before])
        view[2].push(view[2][before])
      }
      view[0].push(at)
      view[1].push(least)
      view[2].push(most)
    }
    if (first > 0) add(times[0], low[0], high[0])
    if (last - first <= columns) {
      for (let index = first; index <= last; index += 1) add(times[index], low[index], high[index])
    } else {
      let index = first
      for (let column = 0; column < columns; column += 1) {
        const at = from + ((until - from) * column) / columns
        const end = from + ((until - from) * (column + 1)) / columns
        // What holds when it begins, and what it changes to.
        while (index + 1 < times.length && times[index + 1] <= at) index += 1
        let [least, most] = [low[index], high[index]]
        for (let next = index + 1; next < times.length && times[next] < end; next += 1) {
          least = lower(least, low[next])
          most = higher(most, high[next])
          index = next
        }
        add(Math.max(at, times[0]), least, most)
      }
    }
    const end = times.length - 1
    if (view[0][view[0].length - 1] < times[end]) add(times[end], low[end], high[end])
    return view
  }

  const draw = (box, chart) => {
    const all = columnsOf(chart)
    if (all[0].length === 0) return
    const clock = clockOf(chart.zone)
    const isBand = chart.high !== undefined
    const stepped = uPlot.paths.stepped({ align: 1 })
    const line = (stroke, fill) => ({
      stroke: () => colour(stroke),
      fill: fill ? () => colour('--accent-fill') : undefined,
      width: 1.5,
      paths: stepped,
      points: { show: false },
    })
    const axis = {
      stroke: () => colour('--faint'),
      grid: { stroke: () => colour('--grid'), width: 1 },
      ticks: { stroke: () => colour('--line'), width: 1 },
    }
    const overlays = chart.overlays === undefined ? undefined : chartOverlays(chart.overlays, colour, chart.untilMs)
    const most = Math.max(1, overlays?.most ?? 0, ...all[2].map((value) => value ?? 0))
    const [reading, voice] = ['.reading', 'output'].map((selector) => box.parentElement.querySelector(selector))
    const textAt = (at, least, top) => {
      const unknown = (value) => (value === null || value === undefined ? 'unknown' : value.toLocaleString('en-US'))
      const value =
        least === top
          ? `${unknown(least)} ${chart.unit}`
          : isBand
            ? `${chart.edges.low} ${unknown(least)}, ${chart.edges.high} ${unknown(top)} ${chart.unit}`
            : `${unknown(least)} to ${unknown(top)} ${chart.unit}`
      const beside = overlays?.textAt(at) ?? []
      // Where something else is known, it need not be said that the curve is not.
      const texts = [...(least === null && top === null && beside.length > 0 ? [] : [value]), ...beside]
      return `${clock(at)} ${chart.zone}: ${texts.join(', ')}`
    }
    const sizeOf = () => ({ width: Math.max(280, box.clientWidth), height })
    let shown
    const refresh = (plot) => {
      const { min, max } = plot.scales.x
      const wanted = `${min} ${max} ${plot.bbox.width}`
      if (wanted === shown) return
      shown = wanted
      plot.batch(() => {
        plot.setData(viewOf(all, min, max, plot.bbox.width / devicePixelRatio), false)
        // Only setting the scale makes uPlot look which of the new data are in it.
        plot.setScale('x', { min, max })
      })
    }
    const [from, until] = [all[0][0], all[0][all[0].length - 1]]
    const plot = new uPlot(
      {
        ...sizeOf(),
        tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), chart.zone),
        legend: { show: false },
        scales: {
          x: { time: true, range: (_, least, top) => [least, top === least ? least + 1 : top] },
          y: { range: [0, Math.ceil(most * 1.08)] },
        },
        axes: [
          { ...axis, values: stamps, space: 70 },
          { ...axis, incrs: wholeSteps, size: 60, values: (_, splits) => splits.map((value) => value.toLocaleString('en-US')) },
        ],
        series: [{}, line('--accent', !isBand), line(isBand ? '--second' : '--accent', false)],
        bands: [{ series: [2, 1], fill: () => colour('--band-fill') }],
        cursor: { y: false, points: { show: false } },
        hooks: {
          drawClear: [(one) => overlays?.below(one)],
          draw: [(one) => overlays?.above(one)],
          setScale: [(one, key) => key === 'x' && queueMicrotask(() => refresh(one))],
          setSize: [(one) => queueMicrotask(() => refresh(one))],
          setCursor: [
            ({ cursor, data }) => {
              const index = cursor.idx
              if (index !== null && index !== undefined) reading.textContent = textAt(data[0][index], data[1][index], data[2][index])
            },
          ],
        },
      },
      viewOf(all, from, until, sizeOf().width),
      box,
    )
    drawn.add(plot)
    new ResizeObserver(() => plot.setSize(sizeOf())).observe(box)

    /** The keyboard's way through a chart; what it comes to is read out by a screen reader. */
    let index = -1
    const show = (next) => {
      const [times, low, high] = all
      index = Math.min(times.length - 1, Math.max(0, next))
      const { min, max } = plot.scales.x
      if (times[index] < min || times[index] > max) {
        const start = Math.min(Math.max(from, times[index] - (max - min) / 2), until - (max - min))
        plot.setScale('x', { min: start, max: start + (max - min) })
      }
      plot.setCursor({ left: plot.valToPos(times[index], 'x'), top: 0 }, false)
      reading.textContent = textAt(times[index], low[index], high[index])
      voice.textContent = reading.textContent
    }
    box.addEventListener('keydown', (event) => {
      const moves = { ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: all[0].length - 1 }
      if (Object.hasOwn(moves, event.key)) show(moves[event.key])
      else if (event.key === 'Escape') plot.setScale('x', { min: from, max: until })
      else return
      event.preventDefault()
    })
  }

  const watcher = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue
        watcher.unobserve(target)
        const chart = charts.get(target.dataset.chart)
        if (chart !== undefined) draw(target, chart)
      }
    },
    { rootMargin: '400px' },
  )
  for (const box of document.querySelectorAll('[data-chart]')) watcher.observe(box)
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
    for (const plot of drawn) plot.redraw(false)
  })
})()
