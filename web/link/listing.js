/** What the frames about conversations as a whole do to the state: the list, what was found, what is gone; and those
 * about roles. */

import { changed, patchList, state } from "../base/state.js";
import { leave } from "../chat/chat.js";
import { settleDeletion } from "../list/deletion.js";

/** The list with a conversation that changed: first where something was said, whatever the clock says, else where it is. */
function placed(conversation, { items, more }) {
  const at = items.findIndex((item) => item.conversation === conversation.conversation);
  if (at >= 0 && items[at].updated === conversation.updated) return items.with(at, conversation);
  if (at < 0 && more && conversation.updated < items.at(-1).updated) return items; // in a part that is not here yet
  return [conversation, ...items.filter((_, place) => place !== at)];
}

export const listing = {
  listed({ conversations, more }) {
    const { known, items } = state.list;
    const fresh = new Set(conversations.map(({ conversation }) => conversation));
    const before = known && state.list.asked ? items.filter(({ conversation }) => !fresh.has(conversation)) : [];
    patchList({ known: true, asked: false, more, items: [...before, ...conversations] });
  },

  found({ query, hits }) {
    if (query === state.search.query) changed({ search: { query, hits } });
  },

  changed({ conversation }) {
    if (conversation.conversation === state.conversation) state.role = conversation.role;
    patchList({ items: placed(conversation, state.list) });
  },

  deleted({ conversation }) {
    settleDeletion(conversation);
    patchList({ items: state.list.items.filter((item) => item.conversation !== conversation) });
    if (conversation === state.conversation) leave();
  },

  roles: ({ roles }) => changed({ roles }),

  role_saved({ ref, role }) {
    const others = state.roles.filter(({ id }) => id !== role.id);
    changed({ roles: [...others, role] });
    if (state.draftRole?.ref === ref) changed({ sheet: "roles", draftRole: null, trouble: "" });
  },

  role_deleted({ role }) {
    changed({ roles: state.roles.filter(({ id }) => id !== role) });
    if (state.role === role) changed({ role: null });
    if (state.draftRole?.id === role) changed({ sheet: "roles", draftRole: null, trouble: "" });
  },
};
