import type { ComponentChildren, JSX } from 'preact'

/** A box of limited height for something long; the keyboard can get into it to scroll. */
export function ScrollBox({ label, children }: { readonly label: string; readonly children: ComponentChildren }): JSX.Element {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keyboard, and not every browser sees to that.
    <section class="sheet scroll" tabIndex={0} aria-label={label}>
      {children}
    </section>
  )
}
