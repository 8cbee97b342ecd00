/**
 * Runs in the page, not in Node, before draw-charts.js: draws what a chart shows beside its own curve (ChartOverlays) straight onto
 * uPlot's canvas, so that it needs no points in common with the curve: gaps below everything, then what is expected with its band, the
 * limit, and single marks on top. Says of any instant what of it is there.
 */
globalThis.chartOverlays = (overlays, colour, untilMs) => {
  const { limit, marks, gaps, ahead } = overlays
  const numbers = (value) => value.toLocaleString('en-US', { maximumFractionDigits: 1 })

  /** Nothing is drawn outside of the plot, nor far outside of it: a browser's numbers are not made for that. */
  const inPlot = (plot, draw) => {
    const { ctx, bbox } = plot
    ctx.save()
    ctx.beginPath()
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height)
    ctx.clip()
    draw(ctx)
    ctx.restore()
  }
  const near = (plot, value) => Math.max(plot.bbox.left - 50, Math.min(plot.bbox.left + plot.bbox.width + 50, value))
  const xOf = (plot, atMs) => near(plot, plot.valToPos(atMs / 1000, 'x', true))
  const yOf = (plot, value) => plot.valToPos(value, 'y', true)
  const pixels = () => devicePixelRatio || 1

  const drawGaps = (plot) =>
    inPlot(plot, (ctx) => {
      const { top, height } = plot.bbox
      ctx.fillStyle = colour('--gap-fill')
      ctx.strokeStyle = colour('--gap')
      ctx.lineWidth = pixels()
      for (const { fromMs, untilMs: endMs } of gaps.stretches) {
        const [from, until] = [xOf(plot, fromMs), xOf(plot, endMs)]
        // One hour of a year is no pixel wide, and still has to be seen.
        const width = Math.max(1.5 * pixels(), until - from)
        ctx.fillRect(from, top, width, height)
        // The slanted lines tell it from the other areas where colours do not.
        ctx.save()
        ctx.beginPath()
        ctx.rect(from, top, width, height)
        ctx.clip()
        ctx.beginPath()
        const step = 9 * pixels()
        for (let x = Math.floor((from - height) / step) * step; x < from + width; x += step) {
          ctx.moveTo(x, top + height)
          ctx.lineTo(x + height, top)
        }
        ctx.stroke()
        ctx.restore()
      }
    })

  const drawAhead = (plot) =>
    inPlot(plot, (ctx) => {
      const { points } = ahead
      ctx.beginPath()
      for (const { atMs, high } of points) ctx.lineTo(xOf(plot, atMs), yOf(plot, high))
      for (const { atMs, low } of points.toReversed()) ctx.lineTo(xOf(plot, atMs), yOf(plot, low))
      ctx.closePath()
      ctx.fillStyle = colour('--ahead-fill')
      ctx.fill()
      ctx.beginPath()
      for (const { atMs, likely } of points) ctx.lineTo(xOf(plot, atMs), yOf(plot, likely))
      ctx.strokeStyle = colour('--ahead')
      ctx.lineWidth = 1.5 * pixels()
      ctx.setLineDash([2 * pixels(), 3 * pixels()])
      ctx.stroke()
    })

  const drawLimit = (plot) =>
    inPlot(plot, (ctx) => {
      ctx.strokeStyle = colour('--second')
      ctx.lineWidth = 2 * pixels()
      ctx.setLineDash([8 * pixels(), 4 * pixels()])
      ctx.beginPath()
      let isDown = false
      for (const [index, { atMs, value }] of limit.points.entries()) {
        const from = xOf(plot, atMs)
        const until = xOf(plot, limit.points[index + 1]?.atMs ?? untilMs)
        if (value !== null) {
          const y = yOf(plot, value)
          if (isDown) ctx.lineTo(from, y)
          else ctx.moveTo(from, y)
          ctx.lineTo(until, y)
        }
        isDown = value !== null
      }
      ctx.stroke()
    })

  const drawMarks = (plot) =>
    inPlot(plot, (ctx) => {
      ctx.fillStyle = colour('--paper')
      ctx.strokeStyle = colour('--accent')
      ctx.lineWidth = 2 * pixels()
      for (const { atMs, value } of marks.points) {
        ctx.beginPath()
        ctx.arc(xOf(plot, atMs), yOf(plot, value), 4 * pixels(), 0, 2 * Math.PI)
        ctx.fill()
        ctx.stroke()
      }
    })

  /** The last point that is not later; points are in order of time. */
  const lastUntil = (points, atMs) => points.findLast((point) => point.atMs <= atMs)

  const aheadAt = (atMs) => {
    const { points } = ahead
    const before = lastUntil(points, atMs)
    const after = points.find((point) => point.atMs >= atMs)
    if (before === undefined || after === undefined) return undefined
    const part = after.atMs === before.atMs ? 0 : (atMs - before.atMs) / (after.atMs - before.atMs)
    return Object.fromEntries(['low', 'likely', 'high'].map((name) => [name, before[name] + (after[name] - before[name]) * part]))
  }

  return {
    /** The highest that is drawn. */
    most: Math.max(
      0,
      ...(limit?.points ?? []).map(({ value }) => value ?? 0),
      ...(marks?.points ?? []).map(({ value }) => value),
      ...(ahead?.points ?? []).map(({ high }) => high),
    ),
    below: (plot) => {
      if (gaps !== undefined) drawGaps(plot)
      if (ahead !== undefined && ahead.points.length > 0) drawAhead(plot)
    },
    above: (plot) => {
      if (limit !== undefined) drawLimit(plot)
      if (marks !== undefined) drawMarks(plot)
    },
    /** What is there at an instant beside the curve: `entitled 128`. */
    textAt: (seconds) => {
      const atMs = seconds * 1000
      const expected = ahead === undefined ? undefined : aheadAt(atMs)
      const allowed = limit === undefined ? null : (lastUntil(limit.points, atMs)?.value ?? null)
      const mark = marks?.points.find((point) => point.atMs === atMs)
      return [
        ...(mark === undefined ? [] : [marks.title]),
        ...(expected === undefined
          ? []
          : [`${ahead.title} ${numbers(expected.likely)}, between ${numbers(expected.low)} and ${numbers(expected.high)}`]),
        ...(allowed === null ? [] : [`${limit.title} ${numbers(allowed)}`]),
        ...(gaps?.stretches.some(({ fromMs, untilMs: endMs }) => atMs >= fromMs && atMs < endMs) ? [gaps.title] : []),
      ]
    },
  }
}
