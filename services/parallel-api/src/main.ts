import { loadConfigOrExit, warnOfMisspelt } from '@reference/config'
import { runServer, runSettings } from '@reference/http'
import { SERVICES } from '@reference/shop/services'
import { withVaultSecretsOrExit } from '@reference/systems'
import { createApp } from './app.ts'

const config = loadConfigOrExit(SERVICES['parallel-api'], await withVaultSecretsOrExit())
const { app, close } = await createApp(config)
warnOfMisspelt(app.log)

await runServer(app, { ...runSettings(config), onClose: close })
