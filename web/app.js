/** Starts the page: words, the parts of the view, then the link. */

import { find } from "./base/dom.js";
import { translate } from "./base/i18n.js";
import * as route from "./base/route.js";
import { subscribe } from "./base/state.js";
import { browserId } from "./base/storage.js";
import * as screen from "./base/screen.js";
import * as actions from "./chat/actions.js";
import { show } from "./chat/chat.js";
import * as composer from "./chat/composer.js";
import * as scroll from "./chat/scroll.js";
import * as shortcuts from "./chat/shortcuts.js";
import * as frames from "./link/frames.js";
import { connect } from "./link/socket.js";
import * as drawer from "./list/drawer.js";
import { look } from "./settings/session.js";
import * as sheet from "./settings/sheet.js";
import * as view from "./view.js";

translate(document);
screen.start();
route.start(show);
frames.restore();
for (const part of [scroll, drawer, sheet, shortcuts, view]) part.start();
actions.listen(find("#messages"));
subscribe(view.render);
composer.start();

look();

const address = new URL(`/ws?me=${browserId()}`, location.href);
address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
connect(address, { frame: frames.receive, lost: frames.lost });
