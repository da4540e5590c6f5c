#include "tables.hpp"

namespace tambo::funxmpp {

namespace {

#include "funxmpp_classic.inc"
#include "funxmpp_md.inc"
#include "funxmpp_page.inc"

}   // namespace

const Tables& tables(Dialect dialect) noexcept {
    switch (dialect) {
        case Dialect::md:
            return md_tables;
        case Dialect::page:
            return page_tables;
        case Dialect::classic:
            break;
    }
    return classic_tables;
}

}   // namespace tambo::funxmpp
