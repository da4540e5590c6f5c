// Which tables there are, since when, and how a file gets them.
#pragma once

#include "database.hpp"

namespace tambo::sqlite {

/// Is this file ours, and are we its equal? Reads only; throws if not.
void recognise(Database& db);

/// Brings a file that was recognised up to date, one version after the other; each one wholly or not at all.
void migrate(Database& db);

}   // namespace tambo::sqlite
