using AiBackend.Api.OpenAi.Wire;

namespace AiBackend.Tests.OpenAiApi;

/// <summary>Memory that tenants share.</summary>
public sealed class SharedRoomTests
{
    private readonly SharedRoom _room = new(100);
    private readonly Guid _one = Guid.CreateVersion7();
    private readonly Guid _other = Guid.CreateVersion7();

    [Fact]
    public void A_45_one_tenant_leaves_room_for_others()
    {
        Assert.NotNull(_room.TryTake(_one, 50));
        Assert.Null(_room.TryTake(_one, 26));
        Assert.NotNull(_room.TryTake(_one, 25));

        Assert.NotNull(_room.TryTake(_other, 25));
        Assert.Null(_room.TryTake(_other, 1));
    }

    [Fact]
    public void What_is_given_back_is_there_for_the_next_once()
    {
        var part = _room.TryTake(_one, 75)!;
        using var rest = _room.TryTake(_other, 25);
        Assert.Null(_room.TryTake(_other, 50));

        part.Dispose();
        part.Dispose();

        Assert.NotNull(_room.TryTake(_other, 50));
        Assert.Null(_room.TryTake(_one, 26));
    }

    [Fact]
    public void What_is_larger_than_all_is_let_in_alone()
    {
        using (Assert.IsType<IDisposable>(_room.TryTake(_one, 200), exactMatch: false))
        {
            Assert.Null(_room.TryTake(_other, 1));
        }

        using var small = _room.TryTake(_other, 1);
        Assert.Null(_room.TryTake(_one, 200));
    }
}
