import type { Channel } from './channel.ts'
import { dingtalk } from './dingtalk.ts'
import { feishu } from './feishu.ts'
import type { NotifierKind } from './notifier-settings.ts'
import { slack } from './slack.ts'
import { sns } from './sns.ts'
import { webhook } from './webhook.ts'
import { wecom } from './wecom.ts'

/** The channel of each kind. All in one piece: each is small, and pieces that are loaded on demand split up what is loaded at the start. */
export const channels: Readonly<Record<NotifierKind, Channel>> = { wecom, dingtalk, feishu, slack, webhook, sns }
