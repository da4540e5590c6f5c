// What modules ask the auth plugin through (Host::auth).
#pragma once

#include <tambo/auth.hpp>

namespace tambo {

class Shard;

/// Stays, while the plugin behind it is swapped. Each question runs as a task of the instance that answers it, so an
/// old version is kept until it has answered; one that is taken away before that has said internal-server-error. Asked
/// while there is no plugin: service-unavailable.
class AuthDoor final : public AuthProvider {
public:
    explicit AuthDoor(Shard& shard) noexcept : shard_(shard) {}

    Task<Result<Credentials>> look_up(Jid bare) override;
    Task<Result<bool>> exists(Jid bare) override;
    Task<Result<Nothing>> set(Jid bare, Credentials credentials, bool only_new) override;
    Task<Result<Nothing>> remove(Jid bare) override;
    Task<Result<std::vector<std::string>>> accounts(std::string after, std::size_t limit) override;

private:
    template <class T, class Question>
    Task<Result<T>> ask(Question question);

    Shard& shard_;
};

}   // namespace tambo
