// tamboctl user import: files with exported accounts (XEP-0227), as tambo, Prosody and ejabberd write them.
#pragma once

#include "ctl/client.hpp"

namespace tambo::ctl {

/// Takes the files apart and sends the server one account at a time; goes on behind one that is refused. `words` are
/// those behind `user import`: files and --replace. Gives the exit code: refused if any account was.
int import_accounts(const Client& client, const Words& words, bool json);

}   // namespace tambo::ctl
