//! Who is cut when memory is needed, and who isn't.

use super::*;

/// Connections whose clients stop reading one after the other, a second apart, the last one now.
async fn stalled_clients(among: &Stalled, count: usize) -> Vec<(DuplexStream, JoinHandle<Closed>)> {
    let mut clients = Vec::new();
    for _ in 0..count {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let (mut client, closed) = converse_among(among, endless, &Shutdown::new());
        client.write_all(GET).await.unwrap();
        clients.push((client, closed));
    }
    // Until all the tasks wait for nothing but clients.
    tokio::time::sleep(Duration::from_millis(1)).await;
    clients
}

#[tokio::test(start_paused = true)]
async fn when_memory_is_needed_those_that_stall_longest_go_first() {
    let stalled = Stalled::default();
    let mut clients = stalled_clients(&stalled, 5).await;
    let (_quiet, quiet) = converse_among(&stalled, |_| pending(), &Shutdown::new());
    let began = Instant::now();
    // The last has stalled for less than a second. Of the four others two go, then one, then the other.
    for cut in [2, 1, 1] {
        assert_eq!(stalled.cut_half(Duration::from_secs(1)), cut);
        for (client, closed) in clients.drain(..cut) {
            assert_eq!(closed.await.unwrap(), Closed::Memory);
            drop(client);
        }
    }
    assert_eq!(stalled.cut_half(Duration::from_secs(1)), 0);
    assert_eq!(began.elapsed(), Duration::ZERO, "nobody waited for its own alarm");
    let (_client, last) = clients.pop().unwrap();
    assert!(!last.is_finished() && !quiet.is_finished());
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(stalled.cut_half(Duration::from_secs(1)), 1);
    assert_eq!(last.await.unwrap(), Closed::Memory);
}

#[tokio::test(start_paused = true)]
async fn who_reads_slowly_is_not_stalled() {
    let stalled = Stalled::default();
    let (mut client, closed) = stalled_clients(&stalled, 1).await.pop().unwrap();
    let mut some = vec![0; 16 * 1024];
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(900)).await;
        client.read_exact(&mut some).await.unwrap();
        tokio::time::sleep(Duration::from_millis(900)).await;
        assert_eq!(stalled.cut_half(Duration::from_secs(1)), 0);
    }
    // To be cut, and read from before its task has come to it.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(stalled.cut_half(Duration::from_secs(1)), 1);
    client.read_exact(&mut some).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!closed.is_finished());
    // It is one of those that may be cut again.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(stalled.cut_half(Duration::from_secs(1)), 1);
    assert_eq!(closed.await.unwrap(), Closed::Memory);
}

#[tokio::test(start_paused = true)]
async fn who_has_left_is_not_among_the_stalled() {
    let stalled = Stalled::default();
    let (client, closed) = stalled_clients(&stalled, 1).await.pop().unwrap();
    assert_eq!(stalled.len(), 1);
    drop(client);
    closed.await.unwrap();
    assert_eq!(stalled.len(), 0);
}
