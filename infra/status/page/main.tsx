import { render } from 'preact'
import { App } from './app.tsx'
import { followPage } from './page-state.ts'

const root = document.getElementById('page')
if (root !== null) {
  followPage()
  render(<App />, root)
}
