import type { JSX } from 'preact'
import { formats, useView, words } from '../page-state.ts'
import { Empty, Loaded } from '../parts/loaded.tsx'
import { ScrollBox } from '../parts/scroll-box.tsx'
import { type Line, StepChart } from '../parts/step-chart.tsx'
import { Table } from '../parts/table.tsx'
import { When } from '../parts/when.tsx'
import type { LicenceLine } from '../view-shapes.ts'
import { hourMs, type UsagePoint, usageColumns } from './licence-series.ts'

const rowsShown = 200

export function Licence(): JSX.Element {
  const { value: text } = words
  return (
    <Loaded of={useView('licence')}>
      {({ products, problem }) =>
        products.length === 0 ? (
          problem === undefined ? (
            <Empty title={text.noLicence} help={text.noLicenceHelp} />
          ) : null
        ) : (
          products.map((product) => <Product key={`${product.region} ${product.product} ${product.metric}`} product={product} />)
        )
      }
    </Loaded>
  )
}

function Product({ product }: { readonly product: LicenceLine }): JSX.Element {
  const { value: text } = words
  const { value: format } = formats
  const name = product.product === product.metric ? product.product : `${product.product} ${product.metric}`
  const id = `licence-${product.region}-${product.product}-${product.metric}`.replace(/[^a-z0-9-]/gi, '-')
  const { used, entitled, forecast } = product
  const share = used === undefined || entitled === undefined ? undefined : format.percent(used, entitled)
  const last = product.points.at(-1)
  const lines: Line[] = [
    { key: 'used', name: text.used, colour: '--accent', isFilled: true },
    ...(entitled === undefined ? [] : [{ key: 'entitled', name: text.entitled, colour: '--second', isFilled: false, isDashed: true }]),
  ]
  return (
    <section class="product sheet padded" aria-labelledby={id}>
      <h2 id={id}>
        {name} <span class="faint">{product.region}</span>
      </h2>
      <dl class="facts plain">
        <div>
          <dt>{text.used}</dt>
          <dd>
            <span class="figure">{used === undefined ? text.unknown : `${format.number(used)} ${product.unit}`}</span>
            {share === undefined ? null : <span class="note">{share}</span>}
          </dd>
        </div>
        <div>
          <dt>{text.entitled}</dt>
          <dd>
            <span class="figure">{entitled === undefined ? '–' : `${format.number(entitled)} ${product.unit}`}</span>
            {entitled === undefined ? <span class="note">{text.notEntitled}</span> : null}
          </dd>
        </div>
        <div class="wide">
          <dt>{text.forecast}</dt>
          <dd>
            <span class="figure">{forecast?.day === undefined ? '–' : text.blockedAbout(format.day(forecast.day))}</span>
            <span class="note">
              {forecast === undefined ? text.noForecast : forecast.text}
              {forecast?.earliest === undefined || forecast.latest === undefined
                ? null
                : ` (${text.between(format.day(forecast.earliest), format.day(forecast.latest))})`}
            </span>
          </dd>
        </div>
      </dl>
      {share === undefined || used === undefined || entitled === undefined ? null : (
        <progress value={Math.min(used, entitled)} max={entitled} aria-label={`${name}: ${share}`} />
      )}
      {last === undefined ? (
        <p class="faint">{text.noPoints}</p>
      ) : (
        <StepChart
          title=""
          label={text.usageOf(`${name} ${product.region}`)}
          lines={lines}
          columns={usageColumns(product.points, entitled)}
          from={product.points[0]?.at ?? last.at}
          to={new Date(Date.parse(last.at) + hourMs).toISOString()}
          marks={[]}
          isTall
        >
          <details>
            <summary>
              {text.asTable}
              <span class="voice"> {text.usageOf(`${name} ${product.region}`)}</span>
            </summary>
            <ScrollBox label={text.pointsOf(name)}>
              <Table
                caption={text.pointsOf(name)}
                columns={[
                  { key: 'at', head: text.time, kind: 'moment', cell: ({ at }: UsagePoint) => <When at={at} /> },
                  {
                    key: 'value',
                    head: `${text.used} (${product.unit})`,
                    kind: 'number',
                    cell: ({ value }: UsagePoint) => format.number(value),
                  },
                ]}
                rows={[...product.points].reverse().slice(0, rowsShown)}
                rowKey={({ at }) => at}
              />
            </ScrollBox>
          </details>
        </StepChart>
      )}
      <p class="faint">{product.gaps === 0 ? text.noGaps : text.gaps(product.gaps, format.number(product.gaps))}</p>
    </section>
  )
}
