import { signal } from '@preact/signals'
import type { JSX } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { type Order, sendOrder } from '../orders.ts'
import { announcement, polling, words } from '../page-state.ts'

/** An order that somebody is about to give, in the words that ask for it. */
export interface Asking {
  readonly order: Order
  readonly title: string
  readonly help: string
  readonly doIt: string
  /** What it is about, by name. */
  readonly target?: string
  readonly isDangerous?: boolean
}

/** The order that is being asked about; setting it opens the dialog. */
export const asking = signal<Asking | undefined>(undefined)

/** What the last order came to. */
export const lastResult = signal<string | undefined>(undefined)

/** Who gives orders, and the token that allows it: in memory only, gone with the page. */
const giver = { by: '', token: '' }

/** Asks whether it is meant, who says so, and for the token; tells what came of it. */
export function OrderDialog(): JSX.Element | null {
  const current = asking.value
  return current === undefined ? null : <Dialog asked={current} />
}

function Dialog({ asked }: { readonly asked: Asking }): JSX.Element {
  const { value: text } = words
  const box = useRef<HTMLDialogElement>(null)
  const [by, setBy] = useState(giver.by)
  const [reason, setReason] = useState('')
  const [token, setToken] = useState(giver.token)
  const [isWorking, setWorking] = useState(false)
  const [failure, setFailure] = useState<string | undefined>(undefined)
  const needsReason = asked.order.path === '/api/switch'
  useEffect(() => {
    // What had the focus gets it back when it closes: the browser sees to that.
    box.current?.showModal()
  }, [])
  const close = (): void => {
    box.current?.close()
    asking.value = undefined
  }
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault()
    if (isWorking) return
    setWorking(true)
    setFailure(undefined)
    const answer = await sendOrder(asked.order, { by: by.trim(), reason: reason.trim(), token }, (path, init) => fetch(path, init))
    setWorking(false)
    polling.refresh()
    if (answer.kind === 'done') {
      Object.assign(giver, { by: by.trim(), token })
      lastResult.value = answer.text
      announcement.value = answer.text
      close()
      return
    }
    if (answer.kind === 'unanswered') {
      setFailure(text.orderUnanswered)
      return
    }
    if (answer.isTokenWrong) {
      giver.token = ''
      setToken('')
    }
    setFailure(`${text.orderRefused}: ${answer.text}`)
  }
  const field = (read: (value: string) => void) => (event: { readonly currentTarget: HTMLInputElement }) => read(event.currentTarget.value)
  return (
    <dialog ref={box} aria-labelledby="order-title" aria-describedby="order-help" onCancel={close} onClose={close}>
      <article>
        <h2 id="order-title">{asked.title}</h2>
        {asked.target === undefined ? null : (
          <p class="about">
            <code>{asked.target}</code>
          </p>
        )}
        <p id="order-help">{asked.help}</p>
        <form onSubmit={(event) => void submit(event)}>
          <label>
            {text.orderWho}
            <input name="by" required value={by} onInput={field(setBy)} autocomplete="off" aria-describedby="order-who-help" />
          </label>
          <small id="order-who-help">{text.orderWhoHelp}</small>
          {needsReason ? (
            <label>
              {text.orderWhy}
              <input name="reason" required value={reason} onInput={field(setReason)} autocomplete="off" />
            </label>
          ) : null}
          <label>
            {text.orderToken}
            <input
              name="token"
              type="password"
              required
              value={token}
              onInput={field(setToken)}
              autocomplete="off"
              aria-describedby="order-token-help"
            />
          </label>
          <small id="order-token-help">{text.orderTokenHelp}</small>
          {failure === undefined ? null : (
            <p class="failure" role="alert">
              {failure}
            </p>
          )}
          <footer>
            <button type="button" class="plain" onClick={close}>
              {text.cancel}
            </button>
            <button type="submit" class={asked.isDangerous === true ? 'danger' : ''} aria-busy={isWorking} disabled={isWorking}>
              {isWorking ? text.working : asked.doIt}
            </button>
          </footer>
        </form>
      </article>
    </dialog>
  )
}
