// The default store: one SQLite file in the server's data folder.
#include <filesystem>
#include <string>
#include <utility>

#include <tambo/tambo.hpp>

#include "backup.hpp"
#include "driver.hpp"

namespace {

using namespace tambo;

class StoreSqlite final : public Module {
public:
    StoreSqlite() {
        if (!synchronous_->empty())
            synchronous_.refuse("this is said by \"durability\" in [journal] now; take the line out");
    }
    void wire(Wiring& w) override {
        if (host().data_folder().empty() && !std::filesystem::path{*file_}.is_absolute())
            throw std::runtime_error{"needs a folder for its database: set [server] data"};
        // The driver is made on the store thread, maybe after this instance is gone: it gets copies of all that it
        // needs.
        const sqlite::Settings settings{
            .file = std::filesystem::path{host().data_folder()} / *file_,   // an absolute file_ stays what it is
            .cache_bytes = cache_->bytes,
            .check = *check_,
        };
        StoreFactory store{[settings] { return sqlite::open(settings); }};
        store.backup = [from = settings.file](const auto& file, const auto& stop) {
            sqlite::back_up(from, file, stop);
        };
        store.restore = [to = settings.file](const auto& file) { return sqlite::restore(to, file); };
        w.provide(std::move(store));
    }

private:
    Option<std::string> file_{"file", "tambo.db", "the database; relative to the data folder of [server]"};
    Option<std::string> synchronous_{"synchronous", "", "not used any more: see durability in [journal]"};
    Option<Size> cache_{"cache", Size{std::uint64_t{8} << 20}, "memory for pages of the database"};
    Option<bool> check_{"check", true, "look for damage in the whole file at start (takes a second or so for each GB)"};
};

}   // namespace

TAMBO_MODULE(StoreSqlite, "store_sqlite", "0.2.0", 1)
