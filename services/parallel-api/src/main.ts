import { loadConfigOrExit, warnOfMisspelt, withVaultSecretsOrExit } from '@reference/config'
import { runServer, runSettings } from '@reference/http'
import { SERVICES } from '@reference/shop/services'
import { createApp } from './app.ts'

const config = loadConfigOrExit(SERVICES['parallel-api'], await withVaultSecretsOrExit())
const { app, close } = await createApp(config)
warnOfMisspelt(app.log)

await runServer(app, { ...runSettings(config), onClose: close })
